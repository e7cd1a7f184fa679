"""Garay-Maestre, Gallego and Calvo-Zaragoza: Data Augmentation via Variational Auto-Encoders."""
