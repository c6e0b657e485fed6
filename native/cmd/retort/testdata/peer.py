"""The other side of the tests: a UDP server and a client that say what the teaching listing's say.

peer.py server HOST     listens on a port that the system chooses
peer.py client HOST PORT
"""

import datetime
import socket
import socketserver
import sys

PATIENCE = 30  # seconds; bounds a test that fails


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Length(socketserver.BaseRequestHandler):
    def handle(self):
        request, sock = self.request
        print(f"The client at {self.client_address} says {str(request, 'ascii')!r}", flush=True)
        answer = b"Your data was %d bytes long" % len(request)
        sock.sendto(answer, self.client_address)


class Server(socketserver.UDPServer):
    max_packet_size = 65535

    def handle_error(self, request, client_address):
        raise


def server(host):
    Server.address_family = family(host)
    with Server((host, 0), Length) as running:
        print(f"Listening at {running.socket.getsockname()}", flush=True)
        running.serve_forever()


def client(host, port):
    with socket.socket(family(host), socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        now = datetime.datetime.now()
        sock.sendto(b"The time is " + str(now).encode(), (host, int(port)))
        print(f"The OS assigned me the address {sock.getsockname()}")
        answer, who = sock.recvfrom(65535)
        print(f"The server {who} replied {str(answer, 'ascii')!r}")


{"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
