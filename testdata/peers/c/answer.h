/* What the peers in C have in common: a socket on the loopback interface, and the reply. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	MAX_REQUEST = 65535,
	MAX_REPLY = 64, /* "Your data was 65535 bytes long" and room to spare */
};

/* answer writes the reply to a request of n bytes and returns its length. */
static inline size_t answer(char *out, unsigned n)
{
	char digits[10];
	size_t count = 0, length = sizeof "Your data was " - 1;

	memcpy(out, "Your data was ", length);
	do {
		digits[count++] = '0' + n % 10;
		n /= 10;
	} while (n > 0);
	while (count > 0)
		out[length++] = digits[--count];
	memcpy(out + length, " bytes long", sizeof " bytes long" - 1);
	return length + sizeof " bytes long" - 1;
}

/* listen_on_loopback returns a bound socket, and says on standard output where it listens. */
static inline int listen_on_loopback(int buffer)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof at;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) != 0 ||
	    bind(fd, (struct sockaddr *)&at, length) != 0 || getsockname(fd, (struct sockaddr *)&at, &length) != 0) {
		perror("cannot listen");
		exit(1);
	}
	printf("Listening at ('127.0.0.1', %d)\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}
