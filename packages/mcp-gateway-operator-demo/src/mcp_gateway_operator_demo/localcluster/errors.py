"""What can go wrong with a local cluster, as exceptions whose text tells the user what to do."""

from __future__ import annotations


class LocalClusterError(RuntimeError):
    """Base of every error that this package raises on purpose."""


class BinariesUnavailableError(LocalClusterError):
    """A program could be neither found, nor downloaded, nor built."""


class ChecksumMismatchError(BinariesUnavailableError):
    """A download does not have its published checksum. It is never used and nothing is tried instead."""


class ClusterStartError(LocalClusterError):
    """etcd or kube-apiserver died or did not become ready in time; the text ends with its last log lines."""


class ClusterRequestError(LocalClusterError):
    """The API server or kubectl refused a request that a helper of this package made."""
