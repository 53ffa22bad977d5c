"""Static classifiers: a table of word embeddings and hashed n-grams, summed, and a linear head; numpy runs them.

``features`` turns texts into rows of the table, as ``slmbench.edge`` does; ``word_vectors`` asks a sentence encoder
for vectors of single words; ``fitting`` fits table and head together; ``training`` makes a run of it.
"""
