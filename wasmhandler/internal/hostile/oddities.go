package hostile

import (
	"slices"
	"strings"

	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// oddities are the rest: what is longer as text than it is interesting.
func oddities() []Case {
	return []Case{
		{"recursion-frames", "A function calls itself without an end, and keeps 400 values for when that returns.",
			"8 faults (depth)", func() []byte { return frames(400, 'i') }},
		{"recursion-vectors", "A function calls itself without an end, and keeps 400 vectors for when that returns.",
			"8 faults (depth)", func() []byte { return frames(400, 'v') }},
		{"loop-straight", "Loops for ever over 100 kB of instructions without a branch.",
			"8 faults (fuel)", func() []byte {
				body := code{}.Repeat(33_000, code{}.Get(request).Op(wasmgen.Drop))
				return wasmgen.Replying(code{}.Loop().Then(body).Br(0).End().Op(wasmgen.Unreachable))
			}},
		{"wasi-pointers", "Calls every function of WASI with addresses outside its memory, with the largest " +
			"numbers and with zeros.",
			`8 replies of ""`, wasiPointers},
		{"names-forge", "Traps in a function whose name wants to be a line of the log.",
			"8 faults (unreachable)",
			named("f) <- g\ntime=2026-11-22T13:40:00Z level=INFO msg=\"all is well\"\x1b[2K\x00")},
		{"names-long", "Traps in a function whose name has 75,000 bytes, and runs backwards.",
			"8 faults (unreachable)", named(strings.Repeat("\u202ename(", 9_375))},
	}
}

// named traps in a function of that name.
func named(name string) func() []byte {
	return func() []byte {
		m := withFunctionNames(1, slices.Concat(wasmgen.Uint(0), wasmgen.Name(name)))
		trap := m.Function("", "", code{}.Op(wasmgen.Unreachable)) // function 0
		reply := m.Function(wasmgen.ReplyParams, "i", code{}.Call(trap).I32(0))
		return m.Handler(reply)
	}
}

// frames is a function that keeps values on its stack while it calls itself.
func frames(values int, typ byte) []byte {
	m := new(wasmgen.Module)
	var c code
	for i := range values {
		c = c.Get(1 + i)
	}
	c = c.Get(0).Call(0)
	for i := range values {
		c = c.Set(1 + i)
	}
	m.Function("i", "", c, locals{Count: uint32(values), Type: typ})
	return m.Handler(m.Function(wasmgen.ReplyParams, "i", code{}.I32(0).Call(0).I32(0)))
}

// preview1 are the functions of WASI preview 1 and their parameters, i an i32 and I an i64
// (wasi_snapshot_preview1.witx). All but proc_exit, which has no result, return an error number.
const preview1 = `
	args_get ii, args_sizes_get ii, clock_res_get ii, clock_time_get iIi, environ_get ii, environ_sizes_get ii,
	fd_advise iIIi, fd_allocate iII, fd_close i, fd_datasync i, fd_fdstat_get ii, fd_fdstat_set_flags ii,
	fd_fdstat_set_rights iII, fd_filestat_get ii, fd_filestat_set_size iI, fd_filestat_set_times iIIi,
	fd_pread iiiIi, fd_prestat_dir_name iii, fd_prestat_get ii, fd_pwrite iiiIi, fd_read iiii, fd_readdir iiiIi,
	fd_renumber ii, fd_seek iIii, fd_sync i, fd_tell ii, fd_write iiii, path_create_directory iii,
	path_filestat_get iiiii, path_filestat_set_times iiiiIIi, path_link iiiiiii, path_open iiiiiIIii,
	path_readlink iiiiii, path_remove_directory iii, path_rename iiiiii, path_symlink iiiii, path_unlink_file iii,
	poll_oneoff iiii, proc_raise i, random_get ii, sched_yield, sock_accept iii, sock_recv iiiiii,
	sock_send iiiii, sock_shutdown ii`

// wasiPointers calls each function with the same number for every argument, with a few such numbers.
func wasiPointers() []byte {
	const pageEnd = 4<<16 - 4 // the last four bytes of the memory
	m := new(wasmgen.Module)
	var calls []func(argument int32) code
	for function := range strings.SplitSeq(preview1, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(function), " ")
		index := m.Import("wasi_snapshot_preview1", name, params, "i")
		calls = append(calls, func(argument int32) (c code) {
			for _, p := range params {
				if p == 'I' {
					c = c.I64(int64(argument))
				} else {
					c = c.I32(argument)
				}
			}
			return c.Call(index).Op(wasmgen.Drop)
		})
	}
	var c code
	for _, argument := range []int32{0, 1, 2, -1, -4, pageEnd, pageEnd + 1, pageEnd + 4, 1 << 30, -1 << 31} {
		for _, call := range calls {
			c = c.Then(call(argument))
		}
	}
	return m.Handler(m.Function(wasmgen.ReplyParams, "i", c.I32(0)))
}
