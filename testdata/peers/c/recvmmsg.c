/* Up to 64 datagrams at a time. usage: recvmmsg BUFFER */
#define _GNU_SOURCE
#include "answer.h"

enum { BATCH = 64 };

int main(int argc, char **argv)
{
	static char requests[BATCH][MAX_REQUEST], replies[BATCH][MAX_REPLY];
	static struct sockaddr_in peers[BATCH];
	static struct iovec in_parts[BATCH], out_parts[BATCH];
	static struct mmsghdr in[BATCH], out[BATCH];
	int fd = listen_on_loopback(argc > 1 ? atoi(argv[1]) : 0);

	for (int i = 0; i < BATCH; i++) {
		in_parts[i] = (struct iovec){requests[i], MAX_REQUEST};
		out_parts[i] = (struct iovec){replies[i], 0};
		in[i].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_iov = &in_parts[i], .msg_iovlen = 1};
		out[i].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_iov = &out_parts[i], .msg_iovlen = 1};
	}
	for (;;) {
		for (int i = 0; i < BATCH; i++)
			in[i].msg_hdr.msg_namelen = sizeof peers[i];
		int n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);

		for (int i = 0; i < n; i++) {
			out_parts[i].iov_len = answer(replies[i], in[i].msg_len);
			out[i].msg_hdr.msg_namelen = in[i].msg_hdr.msg_namelen;
		}
		for (int sent = 0; sent < n;) {
			int more = sendmmsg(fd, out + sent, n - sent, 0);

			sent += more > 0 ? more : 1; /* one that cannot be sent must not hold up the others */
		}
	}
}
