/* One datagram at a time. usage: recvfrom BUFFER [spin] */
#include "answer.h"

int main(int argc, char **argv)
{
	static char request[MAX_REQUEST];
	char reply[MAX_REPLY];
	int fd = listen_on_loopback(argc > 1 ? atoi(argv[1]) : 0);
	int flags = argc > 2 && strcmp(argv[2], "spin") == 0 ? MSG_DONTWAIT : 0;

	for (;;) {
		struct sockaddr_in peer;
		socklen_t length = sizeof peer;
		ssize_t n = recvfrom(fd, request, sizeof request, flags, (struct sockaddr *)&peer, &length);

		if (n >= 0)
			sendto(fd, reply, answer(reply, n), 0, (struct sockaddr *)&peer, length);
	}
}
