/* Answers how many datagrams it has seen, this one included. To build it in this folder:
   clang --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first
   -Wl,-z,stack-size=16384 -I ../../../wasmhandler/guest/sdk/c -o counter.wasm counter.c */
#include "retort.h"

/* Each worker of a server has an instance of its own, and so a count of its own. */
static uint64_t seen;

static int32_t retort_reply(const retort_request *request, retort_out *out)
{
	(void)request;
	retort_put_decimal(out, ++seen);
	return retort_end(out);
}
