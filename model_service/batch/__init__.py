"""Offline inference: a package run over many items, none lost and none repeated."""
