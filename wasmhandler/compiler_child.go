package wasmhandler

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// RunCompiler is what the command of Config.Compiler calls: it reads a module from in, compiles it to where it is
// told, and reports on out. The process should do nothing else: RunCompiler bounds the CPU time and the memory of
// the whole process, for good, and ends it at once at such a limit.
//
// CPU time is bounded by the system where that is a Unix. Memory is bounded by the system on Linux, NetBSD and
// OpenBSD (RLIMIT_DATA), and everywhere by a look at it 100 times a second. The one who asked bounds the time on
// the clock, and when that process ends, so does this one.
//
// The error is one of the order, or of out. That a module cannot be compiled is none: it is the answer.
func RunCompiler(in io.Reader, out io.Writer) error {
	r := bufio.NewReader(io.LimitReader(in, maxVerdict+MaxModule+meter.MaxMeteredBytes))
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading what to compile: %w", err)
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("this is no order to compile: %w", err)
	}
	v := verdict{Build: buildID()}
	if o.Build == v.Build { // otherwise the answer says enough
		if o.Original < 0 || o.Original > MaxModule || o.Size < 0 || o.Size > meter.MaxMeteredBytes {
			return fmt.Errorf("a module of %d bytes, which the meter made %d, is not compiled", o.Original, o.Size)
		}
		wasm := make([]byte, o.Original+o.Size)
		if _, err := io.ReadFull(r, wasm); err != nil {
			return fmt.Errorf("reading what to compile: %w", err)
		}
		if err := limitSelf(o.CPU, o.Data); err != nil {
			return fmt.Errorf("limiting what compiling may take: %w", err)
		}
		o.compile(wasm[:o.Original], wasm[o.Original:], &v)
	}
	answer, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = out.Write(append(answer, '\n'))
	return err
}

// compile validates the module, makes the entry of what the meter made of it, and reports it in v.
func (o *order) compile(original, wasm []byte, v *verdict) {
	code := sha256.Sum256(wasm)
	v.Code = hex.EncodeToString(code[:])
	c, err := Config{Memory: o.Memory, Interpreter: o.Interpreter}.withDefaults()
	if err != nil {
		v.Failed = err.Error()
		return
	}
	m := &Module{config: c}
	if err := m.compileHere(original, func() error { return m.compileIn(o.Dir, wasm) }); err != nil {
		v.Refused = err.Error()
		return
	}
	if err := errors.Join(m.free(), o.seal(v)); err != nil {
		v.Failed = err.Error()
	}
}

// seal seals the entry.
func (o *order) seal(v *verdict) error {
	digest, err := seal(o.Dir)
	if err != nil {
		return err
	}
	v.Seal = hex.EncodeToString(digest[:])
	made, err := files(o.Dir)
	if err != nil {
		return err
	}
	for _, path := range made {
		name, err := filepath.Rel(o.Dir, path)
		if err != nil {
			return err
		}
		v.Entry = append(v.Entry, filepath.ToSlash(name))
	}
	return nil
}

// limitSelf bounds what this process may take from now on, and how long it lives.
func limitSelf(cpu time.Duration, data int64) error {
	debug.SetMemoryLimit(data / 4 * 3) // rather collect garbage than die of it
	debug.SetMaxStack(int(min(data/4, 256<<20)))
	go watchMemory(data)
	watchParent(func() { os.Exit(exitOrphan) })
	return limitProcess(cpu, data)
}

// watchMemory ends the process when it has more memory than that, for systems that do not.
func watchMemory(most int64) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for {
		metrics.Read(sample)
		if used := sample[0].Value.Uint64() - sample[1].Value.Uint64(); used > uint64(most) {
			os.Exit(exitMemory)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
