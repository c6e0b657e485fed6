package wasmhandler

import (
	"encoding/binary"
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// errno is an error number of WASI preview 1 (wasi_snapshot_preview1.witx).
type errno uint16

const (
	errnoSuccess errno = 0
	errnoBadf    errno = 8  // no such file descriptor
	errnoFault   errno = 21 // an address outside the caller's memory
	errnoInval   errno = 28
	errnoNosys   errno = 52 // not supported
	errnoSpipe   errno = 70 // a stream has no position
)

// The file descriptors that there are.
const (
	stdin  = 0
	stdout = 1
	stderr = 2
)

// The bounds of one call, so that what it costs the host has a limit, however the guest calls.
const (
	maxVectors       = 1024     // buffers of one fd_read or fd_write; Linux has the same limit
	maxTransfer      = 64 << 10 // bytes that one fd_read or fd_write takes; the rest is for the next call
	maxRandom        = 1 << 20  // bytes of one random_get
	maxSubscriptions = 1024     // of one poll_oneoff
	maxWaits         = 100      // poll_oneoff in one call of the guest
)

// wasiFunctions is WASI preview 1, all of it, so that whatever a language's runtime imports can be linked.
// What a handler has no use for answers ENOSYS: files, sockets, signals.
func wasiFunctions() map[string]hostFunction {
	does := func(params string, call func(*instance, api.Memory, []uint64) errno) hostFunction {
		return hostFunction{params: params, result: true, call: call}
	}
	return map[string]hostFunction{
		"args_get":                does("ii", nothingGet),
		"args_sizes_get":          does("ii", nothingSizesGet),
		"clock_res_get":           does("ii", clockResGet),
		"clock_time_get":          does("iIi", clockTimeGet),
		"environ_get":             does("ii", nothingGet),
		"environ_sizes_get":       does("ii", nothingSizesGet),
		"fd_advise":               does("iIIi", nil),
		"fd_allocate":             does("iII", nil),
		"fd_close":                does("i", fdClose),
		"fd_datasync":             does("i", nil),
		"fd_fdstat_get":           does("ii", fdFdstatGet),
		"fd_fdstat_set_flags":     does("ii", nil),
		"fd_fdstat_set_rights":    does("iII", nil),
		"fd_filestat_get":         does("ii", nil),
		"fd_filestat_set_size":    does("iI", nil),
		"fd_filestat_set_times":   does("iIIi", nil),
		"fd_pread":                does("iiiIi", nil),
		"fd_prestat_dir_name":     does("iii", noPrestat),
		"fd_prestat_get":          does("ii", noPrestat),
		"fd_pwrite":               does("iiiIi", nil),
		"fd_read":                 does("iiii", fdRead),
		"fd_readdir":              does("iiiIi", nil),
		"fd_renumber":             does("ii", nil),
		"fd_seek":                 does("iIii", fdSeek),
		"fd_sync":                 does("i", nil),
		"fd_tell":                 does("ii", fdSeek),
		"fd_write":                does("iiii", fdWrite),
		"path_create_directory":   does("iii", nil),
		"path_filestat_get":       does("iiiii", nil),
		"path_filestat_set_times": does("iiiiIIi", nil),
		"path_link":               does("iiiiiii", nil),
		"path_open":               does("iiiiiIIii", nil),
		"path_readlink":           does("iiiiii", nil),
		"path_remove_directory":   does("iii", nil),
		"path_rename":             does("iiiiii", nil),
		"path_symlink":            does("iiiii", nil),
		"path_unlink_file":        does("iii", nil),
		"poll_oneoff":             does("iiii", pollOneoff),
		"proc_exit":               {params: "i", call: procExit},
		"proc_raise":              does("i", nil),
		"random_get":              does("ii", randomGet),
		"sched_yield":             does("", func(*instance, api.Memory, []uint64) errno { return errnoSuccess }),
		"sock_accept":             does("iii", nil),
		"sock_recv":               does("iiiiii", nil),
		"sock_send":               does("iiiii", nil),
		"sock_shutdown":           does("ii", nil),
	}
}

// nothingSizesGet is args_sizes_get and environ_sizes_get: (count, size *u32). There are none.
func nothingSizesGet(_ *instance, memory api.Memory, args []uint64) errno {
	if !memory.WriteUint32Le(uint32(args[0]), 0) || !memory.WriteUint32Le(uint32(args[1]), 0) {
		return errnoFault
	}
	return errnoSuccess
}

// nothingGet is args_get and environ_get: none is written.
func nothingGet(*instance, api.Memory, []uint64) errno { return errnoSuccess }

// The clocks that there are; those of CPU time are not.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

// clockTimeGet is clock_time_get: (id u32, precision u64, time *u64). Every clock stands still while a datagram
// is answered: what a handler does then cannot depend on how fast it is.
func clockTimeGet(in *instance, memory api.Memory, args []uint64) errno {
	return putClock(memory, uint32(args[0]), uint32(args[2]), in.clock)
}

// clockResGet is clock_res_get: (id u32, resolution *u64).
func clockResGet(_ *instance, memory api.Memory, args []uint64) errno {
	return putClock(memory, uint32(args[0]), uint32(args[1]), 1)
}

func putClock(memory api.Memory, id, ptr uint32, value uint64) errno {
	if id != clockRealtime && id != clockMonotonic {
		return errnoInval
	}
	if !memory.WriteUint64Le(ptr, value) {
		return errnoFault
	}
	return errnoSuccess
}

// isStdio tells whether fd is one of those that there are.
func isStdio(fd uint32) bool { return fd <= stderr }

// fdClose is fd_close: (fd). What a guest closes stays open, for nothing hangs on it.
func fdClose(_ *instance, _ api.Memory, args []uint64) errno {
	if !isStdio(uint32(args[0])) {
		return errnoBadf
	}
	return errnoSuccess
}

// fdSeek is fd_seek and fd_tell.
func fdSeek(_ *instance, _ api.Memory, args []uint64) errno {
	if !isStdio(uint32(args[0])) {
		return errnoBadf
	}
	return errnoSpipe
}

// noPrestat is fd_prestat_get and fd_prestat_dir_name: no directory is open. wasi-libc asks for descriptors from 3
// up and stops at EBADF.
func noPrestat(*instance, api.Memory, []uint64) errno { return errnoBadf }

// fdFdstatGet is fd_fdstat_get: (fd, stat *fdstat). The three are character devices, which makes C libraries buffer
// by the line.
func fdFdstatGet(_ *instance, memory api.Memory, args []uint64) errno {
	const (
		size            = 24
		rightsAt        = 8
		characterDevice = 2
		rightRead       = 1 << 1
		rightWrite      = 1 << 6
	)
	fd := uint32(args[0])
	if !isStdio(fd) {
		return errnoBadf
	}
	stat, ok := memory.Read(uint32(args[1]), size)
	if !ok {
		return errnoFault
	}
	rights := uint64(rightWrite)
	if fd == stdin {
		rights = rightRead
	}
	clear(stat)
	stat[0] = characterDevice
	binary.LittleEndian.PutUint64(stat[rightsAt:], rights)
	return errnoSuccess
}

// fdRead is fd_read: (fd, vectors, count, read *u32). A command reads its request; a reactor meets the end at once.
func fdRead(in *instance, memory api.Memory, args []uint64) errno {
	if uint32(args[0]) != stdin {
		return errnoBadf
	}
	return transfer(in, memory, args, func(in *instance, buffer []byte) int {
		n := copy(buffer, in.stdin)
		in.stdin = in.stdin[n:]
		return n
	})
}

// fdWrite is fd_write: (fd, vectors, count, written *u32).
func fdWrite(in *instance, memory api.Memory, args []uint64) errno {
	switch fd := uint32(args[0]); {
	case fd == stdout && in.module.command:
		return transfer(in, memory, args, (*instance).printReply)
	case fd == stdout:
		return transfer(in, memory, args, (*instance).printOut)
	case fd == stderr:
		return transfer(in, memory, args, (*instance).printErr)
	}
	return errnoBadf
}

// printReply takes a command's standard output. The first byte that the reply has no room for is kept, to show
// that it is too long; those behind it are not.
func (in *instance) printReply(text []byte) int {
	in.stdout = append(in.stdout, text[:min(len(text), in.room+1-len(in.stdout))]...)
	return len(text)
}

func (in *instance) printOut(text []byte) int {
	in.print(&in.console.out, levelStdout, text)
	return len(text)
}

func (in *instance) printErr(text []byte) int {
	in.print(&in.console.err, levelStderr, text)
	return len(text)
}

// transfer walks the buffers of fd_read or fd_write until one is not taken or filled in full, and tells the guest
// how many bytes that were.
func transfer(in *instance, memory api.Memory, args []uint64, each func(*instance, []byte) int) errno {
	const vectorSize = 8 // address and length, u32 both
	vectors, count, result := uint32(args[1]), uint32(args[2]), uint32(args[3])
	if count > maxVectors {
		return errnoInval
	}
	table, ok := memory.Read(vectors, count*vectorSize)
	if !ok {
		return errnoFault
	}
	done, full := 0, true
	for ; len(table) > 0 && full; table = table[vectorSize:] {
		buffer, ok := memory.Read(binary.LittleEndian.Uint32(table), binary.LittleEndian.Uint32(table[4:]))
		if !ok {
			return errnoFault
		}
		taken := buffer[:min(len(buffer), maxTransfer-done)]
		in.charge(hostByteFuel * uint64(vectorSize+len(taken)))
		n := each(in, taken)
		done += n
		full = n == len(buffer)
	}
	if !memory.WriteUint32Le(result, uint32(done)) {
		return errnoFault
	}
	return errnoSuccess
}

// pollOneoff is poll_oneoff: (subscriptions, events, count, *u32). All that is waited for has come: the standard
// streams are always ready, and there is no sleep. Answering ENOSYS instead would be simpler, but Go's runtime
// sleeps while it prints a panic, and would print that it cannot sleep.
//
// The clock does not move meanwhile. A guest that waits until it does would wait for ever, so that after maxWaits
// its call is ended.
func pollOneoff(in *instance, memory api.Memory, args []uint64) errno {
	const (
		subscriptionSize = 48
		eventSize        = 32
		eventClock       = 0
	)
	from, to, count, result := uint32(args[0]), uint32(args[1]), uint32(args[2]), uint32(args[3])
	if count == 0 || count > maxSubscriptions {
		return errnoInval
	}
	subscriptions, ok := memory.Read(from, count*subscriptionSize)
	if !ok {
		return errnoFault
	}
	events, ok := memory.Read(to, count*eventSize)
	if !ok || !memory.WriteUint32Le(result, count) {
		return errnoFault
	}
	in.charge(hostByteFuel * uint64(count) * (subscriptionSize + eventSize))
	if in.waits++; in.waits > maxWaits {
		panic(&hostTrap{cause: CauseOther, detail: "it waits for time to pass, and its clock stands still"})
	}
	for i := range count {
		subscription := subscriptions[i*subscriptionSize:]
		var event [eventSize]byte
		copy(event[:8], subscription) // the guest's own mark
		event[10] = subscription[8]   // what it waits for: a time, or a descriptor's turn to read or write
		if event[10] != eventClock && !isStdio(binary.LittleEndian.Uint32(subscription[16:])) {
			binary.LittleEndian.PutUint16(event[8:], uint16(errnoBadf))
		}
		copy(events[i*eventSize:], event[:])
	}
	return errnoSuccess
}

// procExit is proc_exit: (code u32). It does not return.
func procExit(_ *instance, _ api.Memory, args []uint64) errno {
	code := uint32(args[0])
	panic(&hostTrap{cause: CauseExit, detail: fmt.Sprintf("it exited with code %d", code), code: code})
}

// randomGet is random_get: (buffer, length u32).
func randomGet(in *instance, memory api.Memory, args []uint64) errno {
	if uint32(args[1]) > maxRandom {
		return errnoInval
	}
	buffer, ok := memory.Read(uint32(args[0]), uint32(args[1]))
	if !ok {
		return errnoFault
	}
	in.charge(hostByteFuel * uint64(len(buffer)))
	_, _ = in.random.Read(buffer) // never fails
	return errnoSuccess
}
