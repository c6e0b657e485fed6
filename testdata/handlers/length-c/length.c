/* Answers each datagram with how long it was. To build it in this folder:
   clang --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first
   -Wl,-z,stack-size=16384 -I ../../../wasmhandler/guest/sdk/c -o length.wasm length.c */
#include "retort.h"

static int32_t retort_reply(const retort_request *request, retort_out *out)
{
	retort_put_text(out, "Your data was ");
	retort_put_decimal(out, request->len);
	retort_put_text(out, " bytes long");
	return retort_end(out);
}
