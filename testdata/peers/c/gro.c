/* Bursts from one peer come as single pieces, and the replies leave as such. usage: gro BUFFER */
#define _GNU_SOURCE
#include "answer.h"
#include <netinet/udp.h>
#include <stdint.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
	IN = 16,       /* pieces in one call of recvmmsg */
	OUT = 128,     /* pieces in one call of sendmmsg */
	SEGMENTS = 64, /* datagrams in one piece: what every kernel takes */
	BIG = 65536,
};

union control { /* aligned as the kernel likes it */
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static char requests[IN][BIG], replies[OUT][SEGMENTS * MAX_REPLY];
static struct sockaddr_in peers[IN];
static union control in_controls[IN], out_controls[OUT];
static struct iovec in_parts[IN], out_parts[OUT];
static struct mmsghdr in[IN], out[OUT];

/* The piece that is being filled: out[pieces - 1]. */
static int fd, pieces, segments, closed;
static size_t segment;

static void flush(void)
{
	for (int sent = 0; sent < pieces;) {
		int more = sendmmsg(fd, out + sent, pieces - sent, 0);

		sent += more > 0 ? more : 1; /* one that cannot be sent must not hold up the others */
	}
	pieces = 0;
}

static void begin(struct sockaddr_in *peer)
{
	if (pieces == OUT)
		flush();
	struct msghdr *h = &out[pieces].msg_hdr;

	out_parts[pieces] = (struct iovec){replies[pieces], 0};
	*h = (struct msghdr){.msg_name = peer, .msg_namelen = sizeof *peer, .msg_iov = &out_parts[pieces], .msg_iovlen = 1};
	pieces++;
	segments = 0;
	closed = 0;
}

/* mark tells the kernel how to cut the piece. */
static void mark(void)
{
	struct msghdr *h = &out[pieces - 1].msg_hdr;
	uint16_t size = segment;

	h->msg_control = &out_controls[pieces - 1];
	h->msg_controllen = CMSG_SPACE(sizeof size);
	struct cmsghdr *c = CMSG_FIRSTHDR(h);

	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof size);
	memcpy(CMSG_DATA(c), &size, sizeof size);
}

static void add(struct sockaddr_in *peer, unsigned n)
{
	char reply[MAX_REPLY];
	size_t length = answer(reply, n);

	if (pieces == 0 || closed || segments == SEGMENTS || length > segment ||
	    memcmp(out[pieces - 1].msg_hdr.msg_name, peer, sizeof *peer) != 0) {
		begin(peer);
		segment = length;
	}
	struct iovec *part = &out_parts[pieces - 1];

	memcpy((char *)part->iov_base + part->iov_len, reply, length);
	part->iov_len += length;
	closed = length < segment; /* only the last one may be shorter */
	if (++segments == 2)
		mark();
}

static unsigned segment_size(struct msghdr *h, unsigned length)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	int size;

	if (c == NULL || c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
		return length;
	memcpy(&size, CMSG_DATA(c), sizeof size);
	return size;
}

int main(int argc, char **argv)
{
	int one = 1;

	fd = listen_on_loopback(argc > 1 ? atoi(argv[1]) : 0);
	if (setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one) != 0) {
		perror("UDP_GRO");
		return 1;
	}
	for (;;) {
		for (int i = 0; i < IN; i++) {
			in_parts[i] = (struct iovec){requests[i], BIG};
			in[i].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_namelen = sizeof peers[i],
				.msg_iov = &in_parts[i], .msg_iovlen = 1,
				.msg_control = &in_controls[i], .msg_controllen = sizeof in_controls[i]};
		}
		int n = recvmmsg(fd, in, IN, MSG_WAITFORONE, NULL);

		for (int i = 0; i < n; i++) {
			unsigned left = in[i].msg_len, size = segment_size(&in[i].msg_hdr, left);

			for (; left > size; left -= size)
				add(&peers[i], size);
			add(&peers[i], left);
		}
		flush();
	}
}
