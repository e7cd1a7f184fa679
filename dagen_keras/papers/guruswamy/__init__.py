"""Guruswamy, Sukthanker and Gronquist: On Data Augmentation Using GANs."""
