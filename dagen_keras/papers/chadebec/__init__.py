"""Chadebec and Allassonnière: Data Augmentation with VAEs and Manifold Sampling."""
