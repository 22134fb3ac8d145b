"""The package against real nodes: SYMWAVE_NODES is their list, SYMWAVE_EMPTY_NODES one of a node that is not there."""

import gc
import os
import signal
import tempfile
import threading
import time
import unittest

import symwave

NODES = os.environ["SYMWAVE_NODES"]
DOWN = os.environ["SYMWAVE_EMPTY_NODES"]


class TestClient(unittest.TestCase):
    def setUp(self):
        self.client = symwave.Client(NODES)
        self.addCleanup(self.client.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_what_is_stored_is_retrieved(self):
        values = [os.urandom(size) for size in (1, 4096, 61440, 200000)]
        keys, report = self.client.store(iter(values))
        self.assertEqual(keys, [symwave.key_of(value) for value in values])
        self.assertEqual(report["symbols"], 4)
        found, report = self.client.retrieve(keys)
        self.assertEqual(found, dict(zip(keys, values)))
        self.assertEqual(report["found_network"], 4)
        some, _ = self.client.retrieve(keys, required=2, task="t")
        self.assertEqual(len(some), 2)
        one_by_one = {}
        none, _ = self.client.retrieve(keys, take=one_by_one.__setitem__)
        self.assertEqual((none, one_by_one), ({}, found))

    def test_values_are_released(self):
        self.client.store(os.urandom(65536) for _ in range(100))
        gc.collect()
        until = time.monotonic() + 30
        while symwave._held and time.monotonic() < until:
            time.sleep(0.01)
        self.assertEqual(symwave._held, {})

    def test_a_file_is_put_and_got(self):
        path, layout, out = (os.path.join(self.folder, name) for name in ("file", "layout.json", "out"))
        content = os.urandom(3000001)
        with open(path, "wb") as file:
            file.write(content)
        told = []
        report = self.client.put(path, layout, progress=told.append)
        self.assertEqual(report["bytes"], len(content))
        self.assertTrue(all(now.seconds >= 0 for now in told))
        report = self.client.get(layout, out, progress=told.append)
        self.assertEqual(report["bytes"], len(content))
        with open(out, "rb") as file:
            self.assertEqual(file.read(), content)

    def test_errors_say_what_is_wrong(self):
        with self.assertRaises(symwave.Error) as raised:
            self.client.retrieve([symwave.key_of(b"nobody has this")])
        self.assertEqual(raised.exception.status, "short")
        self.assertEqual(raised.exception.report["found_network"], 0)
        with self.assertRaisesRegex(symwave.Error, "wrong byte"):
            self.client.retrieve(["no key"])
        with self.assertRaisesRegex(symwave.Error, "nowhere"):
            symwave.Client("/nowhere/nodes.yaml")
        with self.assertRaisesRegex(symwave.Error, "No such file"):
            self.client.put("/nowhere/file", os.path.join(self.folder, "layout"))
        with symwave.Client(DOWN) as client, self.assertRaises(symwave.Error):
            client.store([b"value"])
        self.client.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            self.client.store([b"value"])

    def test_exceptions_of_callbacks_end_the_call(self):
        def broken():
            yield b"one"
            raise LookupError("out of values")

        with self.assertRaisesRegex(LookupError, "out of values"):
            self.client.store(broken())
        keys, _ = self.client.store([b"one", b"two"])

        def take(key, value):
            raise LookupError(key)

        with self.assertRaises(LookupError):
            self.client.retrieve(keys, take=take)

        def endless():
            while True:
                yield os.urandom(65536)

        def progress(now):
            raise LookupError("no more")

        with self.assertRaisesRegex(LookupError, "no more"):
            self.client.store(endless(), progress=progress)

    def test_control_c_ends_a_call(self):
        def endless():
            while True:
                yield os.urandom(65536)

        threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
        with self.assertRaises(KeyboardInterrupt):
            self.client.store(endless())
        keys, _ = self.client.store([b"after that"])
        self.assertEqual(self.client.retrieve(keys)[0], {keys[0]: b"after that"})

    def test_threads_share_a_client(self):
        values = [os.urandom(30000) for _ in range(60)]
        keys, _ = self.client.store(values)
        wrong = []

        def work(first):
            for _ in range(5):
                found, _ = self.client.retrieve(keys[first:first + 20])
                if found != dict(zip(keys[first:first + 20], values[first:first + 20])):
                    wrong.append(first)

        threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 41, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
