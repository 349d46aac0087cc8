"""What lies in the cells of a family's space, learned from executed queries over boxes of it.

An executed query says what the cells of its box sum to. Between cells a prior says how alike they
are, and what the queries leave open is the spread. Cf. database learning (Park et al., SIGMOD
2017) and QuickSel (Park et al., SIGMOD 2020).
"""
