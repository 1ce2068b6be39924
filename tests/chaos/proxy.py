# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on loopback that can be made a bad network: cut what is open, or hold everything."""

import selectors
import socket
import threading


class Proxy:
    """Listens on a port of its own and passes on to the target, in one thread.

    Give the servers under test its port, and cut() ends every open connection with a reset, while
    hold() passes nothing on until go_on(): to both sides it looks like a network that lost its way.
    """

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.wake, waker = socket.socketpair()
        self.waker = waker
        self.selector.register(self.wake, selectors.EVENT_READ, None)
        self.orders = []
        self.peers = {}  # socket -> the one on the other side
        self.held = self.stopping = False
        self.cuts = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def order(self, what):
        self.orders.append(what)
        self.waker.send(b"x")

    def cut(self):
        self.order("cut")

    def hold(self):
        self.order("hold")

    def go_on(self):
        self.order("go on")

    def close(self):
        self.stopping = True
        self.waker.send(b"x")
        self.thread.join()

    # ---- of the thread ----

    def drop(self, side):
        other = self.peers.pop(side, None)
        for s in (side, other):
            if s is None:
                continue
            self.peers.pop(s, None)
            try:
                self.selector.unregister(s)
            except KeyError:
                pass
            # A reset, not an orderly end: what is in flight is lost.
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()

    def obey(self):
        self.wake.recv(64)
        while self.orders:
            what = self.orders.pop(0)
            if what == "cut":
                self.cuts += len(self.peers) // 2
                for side in list(self.peers):
                    if side in self.peers:
                        self.drop(side)
            else:
                self.held = what == "hold"

    def accept(self):
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(self.target, timeout=5)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.settimeout(10)
            self.peers[one] = other
            self.selector.register(one, selectors.EVENT_READ, one)

    def pass_on(self, side):
        if side not in self.peers:
            return
        try:
            data = side.recv(1 << 18)
            if data:
                self.peers[side].sendall(data)
                return
        except OSError:
            pass
        self.drop(side)

    def run(self):
        while not self.stopping:
            if self.held:  # only orders are heard
                self.wake.settimeout(0.2)
                try:
                    self.obey()
                except TimeoutError:
                    pass
                continue
            for key, _ in self.selector.select(1):
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj is self.wake:
                    self.obey()
                else:
                    self.pass_on(key.data)
        for side in list(self.peers):
            if side in self.peers:
                self.drop(side)
        self.listener.close()
