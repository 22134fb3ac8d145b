"""The C library: its structs and functions, as symwave/*.h has them."""

import ctypes
import ctypes.util
import os
from ctypes import CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p

KEY_BYTES = 32
KEY_BASE58_SIZE = 45


class Key(Structure):
    _fields_ = [("bytes", ctypes.c_uint8 * KEY_BYTES)]


class Error(Structure):
    _fields_ = [("status", c_int), ("message", c_char * 512)]


class Symbol(Structure):
    _fields_ = [("key", POINTER(Key)), ("key_index", c_size_t), ("value", c_void_p), ("value_bytes", c_size_t),
                ("node_id", c_char_p)]


class Progress(Structure):
    _fields_ = [("symbols", c_uint64), ("symbols_total", c_uint64), ("bytes", c_uint64), ("wave", c_uint32),
                ("requests", c_uint32), ("elapsed_us", c_uint64), ("stage", c_int), ("bytes_total", c_uint64),
                ("nodes", c_uint32)]


TAKE = CFUNCTYPE(c_int, POINTER(Symbol), POINTER(Error), c_void_p)
PROGRESS = CFUNCTYPE(None, POINTER(Progress), c_void_p)


RELEASE = CFUNCTYPE(None, c_void_p, c_void_p)


class Value(Structure):
    _fields_ = [("bytes", c_void_p), ("bytes_count", c_size_t), ("release", RELEASE), ("release_data", c_void_p)]


SOURCE = CFUNCTYPE(c_int, POINTER(Value), POINTER(Error), c_void_p)


class Sink(Structure):
    _fields_ = [("take", TAKE), ("user_data", c_void_p)]


class Sized(Structure):
    """Options begin with their size; what the library has beyond it is at its default."""

    def __init__(self, **fields):
        super().__init__(**fields)
        self.size = ctypes.sizeof(self)


class ClientOptions(Sized):
    _fields_ = [("size", c_size_t), ("budget_bytes", c_uint64), ("candidates", c_uint32),
                ("request_keys_max", c_uint32), ("requests_max", c_uint32), ("node_requests_max", c_uint32),
                ("window_keys_max", c_uint32), ("local_keys_max", c_uint32), ("stall_timeout_ms", c_uint32),
                ("value_bytes_max", c_uint64), ("workers", c_uint32), ("store_timeout_ms", c_uint32),
                ("log_level", c_int), ("log", c_void_p), ("log_data", c_void_p), ("hedge_percent", c_uint32),
                ("tls", c_bool), ("tls_ca", c_char_p), ("tls_certificate", c_char_p), ("tls_key", c_char_p),
                ("tls_server_name", c_char_p), ("token_file", c_char_p)]


class RetrieveOptions(Sized):
    _fields_ = [("size", c_size_t), ("task_id", c_char_p), ("required", c_uint64), ("deadline_ms", c_uint32),
                ("progress_interval_ms", c_uint32), ("local", c_void_p), ("cancel", c_void_p),
                ("progress", PROGRESS), ("progress_data", c_void_p)]


class StoreOptions(Sized):
    _fields_ = [("size", c_size_t), ("deadline_ms", c_uint32), ("progress_interval_ms", c_uint32),
                ("replicas_percent_min", c_uint32), ("cancel", c_void_p), ("progress", PROGRESS),
                ("progress_data", c_void_p)]


class FileOptions(Sized):
    _fields_ = [("size", c_size_t), ("task_id", c_char_p), ("deadline_ms", c_uint32),
                ("progress_interval_ms", c_uint32), ("cancel", c_void_p), ("progress", PROGRESS),
                ("progress_data", c_void_p)]


def _load():
    name = os.environ.get("SYMWAVE_LIBRARY") or ctypes.util.find_library("symwave") or "libsymwave.so.0"
    library = ctypes.CDLL(name)
    pointer = POINTER(c_void_p)
    error = POINTER(Error)
    signatures = {
        "sw_status_name": (c_char_p, [c_int]),
        "sw_key_of_value": (Key, [c_char_p, c_size_t]),
        "sw_key_to_base58": (c_size_t, [POINTER(Key), c_char_p]),
        "sw_key_parse": (c_int, [c_char_p, c_size_t, POINTER(Key), error]),
        "sw_node_list_load": (c_int, [c_char_p, pointer, error]),
        "sw_node_list_free": (None, [c_void_p]),
        "sw_client_open": (c_int, [POINTER(ClientOptions), c_void_p, pointer, error]),
        "sw_client_close": (None, [c_void_p]),
        "sw_layout_load": (c_int, [c_char_p, pointer, error]),
        "sw_layout_free": (None, [c_void_p]),
        "sw_retrieve_start": (c_int, [c_void_p, POINTER(Key), c_size_t, POINTER(RetrieveOptions), POINTER(Sink),
                                      c_void_p, pointer, error]),
        "sw_store_start": (c_int, [c_void_p, SOURCE, c_void_p, POINTER(StoreOptions), c_void_p, pointer,
                                   error]),
        "sw_put_start": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(FileOptions), c_void_p, pointer,
                                 error]),
        "sw_get_start": (c_int, [c_void_p, c_void_p, c_char_p, POINTER(FileOptions), c_void_p, pointer,
                                 error]),
        "sw_call_wait": (c_bool, [c_void_p, c_uint32]),
        "sw_call_cancel": (None, [c_void_p]),
        "sw_free": (None, [c_void_p]),
    }
    for kind, report in (("retrieve", "report"), ("store", "store_report"), ("put", "put_report"),
                         ("get", "get_report")):
        signatures[f"sw_{kind}_end"] = (c_int, [c_void_p, pointer, error])
        signatures[f"sw_{report}_to_json"] = (c_void_p, [c_void_p])
        signatures[f"sw_{report}_free"] = (None, [c_void_p])
    for function, (result, arguments) in signatures.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    return library


lib = _load()
