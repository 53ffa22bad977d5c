// Fetches the jobs, answers them in WebAssembly, and posts the answers back, or why there are none.

const blocked = [];
document.addEventListener('securitypolicyviolation', ({ blockedURI }) => blocked.push(blockedURI));

async function work() {
  const transformers = await import('@huggingface/transformers');
  const { answer } = await import('/answering.mjs');
  transformers.env.backends.onnx.wasm.wasmPaths = '/node_modules/onnxruntime-web/dist/';
  const jobs = await (await fetch('/jobs.json')).json();
  return { answers: await answer(transformers, 'wasm', jobs) };
}

const outcome = await work().catch((error) => ({ error: String(error?.stack ?? error) }));
await fetch('/outcome', { method: 'POST', body: JSON.stringify({ ...outcome, blocked }) });
