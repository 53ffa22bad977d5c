/* Hides features of an x86 processor from a program on Linux; see forms_by_cpu.py.
 *
 *     CPUID_HIDE=EBX,ECX,EDX,EAX1 LD_PRELOAD=./cpuid_mask.so PROGRAM
 *
 * CPUID_HIDE holds, in hexadecimal, the bits of leaf 7 (EBX, ECX, EDX, and EAX of its first subleaf) that the program
 * is to read as zero. arch_prctl(2) has every CPUID instruction raise SIGSEGV; the handler answers it. Kernels that
 * libraries choose by CPUID, as onnxruntime and oneDNN do, are then those for a processor without these features.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012

static unsigned hidden[4];

static void answer(int number, siginfo_t *about, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    if (about->si_code != SI_KERNEL || code[0] != 0x0f || code[1] != 0xa2) {
        signal(number, SIG_DFL); /* a real one, which is raised again */
        return;
    }
    uint32_t leaf = registers[REG_RAX], subleaf = registers[REG_RCX], a = leaf, b, c = subleaf, d;
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
    if (leaf == 7 && subleaf == 0) {
        b &= ~hidden[0], c &= ~hidden[1], d &= ~hidden[2];
    } else if (leaf == 7 && subleaf == 1) {
        a &= ~hidden[3];
    }
    registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    const char *bits = getenv("CPUID_HIDE");
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (!bits || sscanf(bits, "%x,%x,%x,%x", &hidden[0], &hidden[1], &hidden[2], &hidden[3]) != 4 ||
        sigaction(SIGSEGV, &action, 0) || syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0)) {
        fputs("features cannot be hidden: CPUID_HIDE is wrong, or CPUID cannot be trapped here\n", stderr);
        _exit(1);
    }
}
