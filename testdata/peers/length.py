"""One datagram at a time. usage: length.py BUFFER"""

import socket
import sys


def main():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in socket.SO_RCVBUF, socket.SO_SNDBUF:
        sock.setsockopt(socket.SOL_SOCKET, option, int(sys.argv[1]))
    sock.bind(("127.0.0.1", 0))
    print("Listening at", sock.getsockname(), flush=True)
    while True:
        data, peer = sock.recvfrom(65535)
        sock.sendto(b"Your data was %d bytes long" % len(data), peer)


main()
