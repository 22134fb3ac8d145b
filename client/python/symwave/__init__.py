"""Stores and retrieves content-addressed symbols on many nodes, by libsymwave.

    import symwave

    with symwave.Client("nodes.yaml") as client:
        keys, report = client.store([b"one", b"two"])
        values, report = client.retrieve(keys)
        client.put("film.mkv", "film.json", progress=lambda p: print(p.bytes))
        client.get("film.json", "again.mkv")

Keys are base58 strings; hex and base64 are taken too. Reports are dicts, the same as the C library's JSON. Calls wait, and
Ctrl-C ends them; threads may share a client. Callbacks of a call run one at a time while it is waited for, on a thread of its
own, which is where Ctrl-C never comes; what they raise ends the call, and is raised by it.
"""

import ctypes
import itertools
import json
import os
from dataclasses import dataclass

from . import _library
from ._library import lib

__all__ = ["Client", "Error", "Progress", "key_of"]

# How long a call waits in C before Python looks whether somebody has pressed Ctrl-C.
_WAIT_MS = 100


class Error(Exception):
    """What a call that failed says: status, as "short"; and its report, where there is one."""

    def __init__(self, code, message, report=None):
        super().__init__(message)
        self.code = code
        self.status = lib.sw_status_name(code).decode()
        self.report = report


@dataclass(frozen=True)
class Progress:
    symbols: int
    symbols_total: int
    bytes: int
    bytes_total: int
    wave: int
    requests: int
    nodes: int
    seconds: float


def _check(code, error):
    if code != 0:
        raise Error(code, error.message.decode(errors="replace"))


def _key_text(key):
    text = ctypes.create_string_buffer(_library.KEY_BASE58_SIZE)
    lib.sw_key_to_base58(ctypes.byref(key), text)
    return text.value.decode()


def _parse_keys(texts):
    keys = (_library.Key * len(texts))()
    error = _library.Error()
    for index, text in enumerate(texts):
        encoded = text.encode()
        _check(lib.sw_key_parse(encoded, len(encoded), ctypes.byref(keys[index]), ctypes.byref(error)), error)
    return keys


def key_of(value):
    """The key of a value: its BLAKE3-256, in base58."""
    value = bytes(value)
    return _key_text(lib.sw_key_of_value(value, len(value)))


def _path(path):
    return os.fsencode(path) if path is not None else None


# Values that the library has not released yet, by numbers that it is given with them. It releases on threads of its own.
_held = {}
_numbers = itertools.count(1)
_release = _library.RELEASE(lambda _bytes, number: _held.pop(number, None))


class _Callbacks:
    """C callbacks of one call; an exception in one ends the call, and is raised when that has ended."""

    def __init__(self):
        self.raised = None
        self.kept = []

    def wrap(self, kind, function, failed=None):
        def run(*arguments):
            if self.raised is None:
                try:
                    return function(*arguments)
                except BaseException as exception:  # pylint: disable=broad-except
                    self.raised = exception
            return failed

        wrapped = kind(run)
        self.kept.append(wrapped)
        return wrapped

    def progress(self, function):
        if function is None:
            return _library.PROGRESS()

        def tell(progress, _):
            now = progress.contents
            function(Progress(now.symbols, now.symbols_total, now.bytes, now.bytes_total, now.wave, now.requests,
                              now.nodes, now.elapsed_us / 1e6))

        return self.wrap(_library.PROGRESS, tell)


class Client:
    """A client on the nodes of a node list's file. Options are those of struct sw_client_options, by their names."""

    def __init__(self, nodes, **options):
        error = _library.Error()
        node_list = ctypes.c_void_p()
        self._client = None
        for name in ("tls_ca", "tls_certificate", "tls_key", "token_file"):
            if options.get(name) is not None:
                options[name] = _path(options[name])
        if isinstance(options.get("tls_server_name"), str):
            options["tls_server_name"] = options["tls_server_name"].encode()
        _check(lib.sw_node_list_load(_path(nodes), ctypes.byref(node_list), ctypes.byref(error)), error)
        try:
            client = ctypes.c_void_p()
            client_options = _library.ClientOptions(**options)
            _check(lib.sw_client_open(ctypes.byref(client_options), node_list, ctypes.byref(client),
                                      ctypes.byref(error)), error)
            self._client = client
        finally:
            lib.sw_node_list_free(node_list)

    def close(self):
        """Ends the client; no call on it may be running."""
        client, self._client = self._client, None
        if client:
            lib.sw_client_close(client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()

    def _run(self, kind, report_kind, start, callbacks):
        """Starts a call and waits for it; its report as a dict."""
        if not self._client:
            raise ValueError("the client is closed")
        call, report, error = ctypes.c_void_p(), ctypes.c_void_p(), _library.Error()
        code, result = 0, None
        try:
            _check(start(None, ctypes.byref(call), ctypes.byref(error)), error)
            while not lib.sw_call_wait(call, _WAIT_MS):
                if callbacks.raised:
                    lib.sw_call_cancel(call)
        except BaseException:
            if call:
                lib.sw_call_cancel(call)
            raise
        finally:
            if call:
                code = getattr(lib, f"sw_{kind}_end")(call, ctypes.byref(report), ctypes.byref(error))
            if report:
                text = getattr(lib, f"sw_{report_kind}_to_json")(report)
                getattr(lib, f"sw_{report_kind}_free")(report)
                if text:
                    result = json.loads(ctypes.string_at(text))
                    lib.sw_free(text)
        if callbacks.raised:
            raise callbacks.raised
        if code != 0:
            raise Error(code, error.message.decode(errors="replace"), result)
        return result

    def retrieve(self, keys, *, required=0, task="", deadline=0, progress=None, take=None):
        """Retrieves symbols; returns ({key: value}, report).

        required: stop at so many, whichever come first; 0: all. take(key, value) is given each instead of the dict, as it
        comes. deadline is in seconds. Fewer than required are an Error with status "short".
        """
        keys = list(keys)
        values = {}
        callbacks = _Callbacks()
        parsed = _parse_keys(keys)

        def take_symbol(symbol, _error, _data):
            it = symbol.contents
            value = ctypes.string_at(it.value, it.value_bytes)
            (take or values.__setitem__)(keys[it.key_index], value)
            return 0

        sink = _library.Sink(callbacks.wrap(_library.TAKE, take_symbol, 2), None)  # 2: cancelled
        options = _library.RetrieveOptions(task_id=task.encode(), required=required,
                                           deadline_ms=int(deadline * 1000), progress=callbacks.progress(progress))
        report = self._run("retrieve", "report",
                           lambda call_options, call, error: lib.sw_retrieve_start(
                               self._client, parsed, len(keys), ctypes.byref(options), ctypes.byref(sink),
                               call_options, call, error), callbacks)
        return values, report

    def store(self, values, *, deadline=0, progress=None):
        """Stores each of an iterable of bytes on its nearest nodes; returns (keys, report) once they are durable."""
        callbacks = _Callbacks()
        source, keys = iter(values), []

        def next_value(value, _error, _data):
            try:
                item = bytes(next(source))
            except StopIteration:
                return 0
            keys.append(key_of(item))
            number = next(_numbers)
            _held[number] = item
            value.contents.bytes = ctypes.cast(ctypes.c_char_p(item), ctypes.c_void_p)
            value.contents.bytes_count = len(item)
            value.contents.release = _release
            value.contents.release_data = number
            return 0

        options = _library.StoreOptions(deadline_ms=int(deadline * 1000), progress=callbacks.progress(progress))
        source_callback = callbacks.wrap(_library.SOURCE, next_value, 2)
        report = self._run("store", "store_report",
                           lambda call_options, call, error: lib.sw_store_start(
                               self._client, source_callback, None, ctypes.byref(options), call_options, call, error),
                           callbacks)
        return keys, report

    def put(self, path, layout, *, deadline=0, progress=None):
        """Puts a file on the nodes and writes its layout; returns the report."""
        callbacks = _Callbacks()
        options = _library.FileOptions(deadline_ms=int(deadline * 1000), progress=callbacks.progress(progress))
        return self._run("put", "put_report",
                         lambda call_options, call, error: lib.sw_put_start(
                             self._client, _path(path), _path(layout), ctypes.byref(options), call_options, call,
                             error), callbacks)

    def get(self, layout, out, *, task="", deadline=0, progress=None):
        """Gets the file of a layout back; returns the report."""
        callbacks = _Callbacks()
        error = _library.Error()
        loaded = ctypes.c_void_p()
        options = _library.FileOptions(task_id=task.encode(), deadline_ms=int(deadline * 1000),
                                       progress=callbacks.progress(progress))
        _check(lib.sw_layout_load(_path(layout), ctypes.byref(loaded), ctypes.byref(error)), error)
        try:
            return self._run("get", "get_report",
                             lambda call_options, call, error: lib.sw_get_start(
                                 self._client, loaded, _path(out), ctypes.byref(options), call_options, call, error),
                             callbacks)
        finally:
            lib.sw_layout_free(loaded)
