package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/magefile/mage/mg"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/builtin"
	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// Guests holds what there is to find out about guests.
type Guests mg.Namespace

// How much is measured: so many turns, of so many datagrams to the guest and then as many to the built-in handler.
const (
	reportTurns     = 501
	reportDatagrams = 200
)

// lengthGoals is how many times as long as the built-in handler the sample "length" of each language may take: half as
// much again as the first guests in these languages, which took 69, 184, 434 and 242 ns where the built-in took 6.
var lengthGoals = map[string]float64{
	"c":              1.5 * 69 / 6,
	"rust":           1.5 * 184 / 6,
	"assemblyscript": 1.5 * 434 / 6,
	"go":             1.5 * 242 / 6,
}

// Report measures each sample guest beside the built-in handler of the same name, in turns, and prints a table in
// Markdown, for one datagram, without a socket.
func (Guests) Report(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "retort-report-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Println("| guest | language | bytes | request | reply | fuel | ns | × built-in | goal |")
	fmt.Println("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	var skipped []string
	err = eachGuest(func(folder, name string, language sdk.Language) error {
		wasm, err := reportModule(ctx, dir, folder, name, language)
		if errors.Is(err, sdk.ErrMissing) {
			skipped = append(skipped, fmt.Sprintf("skipped: %s: %v", folder, err))
			return nil
		}
		if err != nil {
			return err
		}
		return reportGuest(ctx, dir, folder, name, language, wasm)
	})
	for _, line := range skipped {
		fmt.Println(line)
	}
	return err
}

// reportModule is the guest as it is committed, or built.
func reportModule(ctx context.Context, dir, folder, name string, language sdk.Language) ([]byte, error) {
	file := guestModule(folder, name)
	if !language.Committed() {
		tools, err := language.Toolchain(ctx, ".")
		if err != nil {
			return nil, err
		}
		file = filepath.Join(dir, name+".wasm")
		if err := tools.Build(ctx, folder, name, file); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(file)
}

// reportGuest prints one row.
func reportGuest(ctx context.Context, dir, folder, name string, language sdk.Language, wasm []byte) error {
	text, err := os.ReadFile(filepath.Join(folder, name+".vectors.txt"))
	if err != nil {
		return err
	}
	file, err := vectors.Parse(name, text)
	if err != nil {
		return err
	}
	module, err := wasmhandler.Compile(ctx, wasm, wasmhandler.Config{Name: name, CacheDir: filepath.Join(dir, "cache")})
	if err != nil {
		return err
	}
	defer module.Close()
	guest, err := readyHandler(module, file)
	if err != nil {
		return err
	}
	defer guest.(io.Closer).Close()
	asked := reportRequest(file)
	if asked == nil {
		return errors.New("its vectors have no request that is answered, and none that is met with silence")
	}
	dst := make([]byte, 0, core.MaxPayload6)
	reply, err := guest.Reply(dst, asked)
	if err != nil {
		return err
	}
	native := guest // where no handler of the name is built in, the guest is measured by itself
	if h, err := builtin.Named(name); err == nil {
		if native, err = readyHandler(h, file); err != nil {
			return err
		}
	}
	ns, ratio, err := inTurns(guest, native, asked)
	if err != nil {
		return err
	}
	fuel := guest.(wasmhandler.FuelMeter).FuelUsed() // of the last: the first has more to find out
	said, times, goal := "silence", "", ""
	if reply != nil {
		said = strconv.Itoa(len(reply))
	}
	if native != guest {
		times = fmt.Sprintf("%.1f", ratio)
	}
	if most, ok := lengthGoals[language.Name]; ok && name == "length" {
		goal = fmt.Sprintf("%.0f", most)
	}
	fmt.Printf("| `%s` | %s | %d | %d | %s | %d | %.0f | %s | %s |\n",
		name, language.Title, len(wasm), len(asked.Data), said, fuel, ns, times, goal)
	return nil
}

// readyHandler is what a worker is given: an instance of h, with the configuration of its vectors.
func readyHandler(h core.Handler, file *vectors.File) (core.Handler, error) {
	if file.Config != nil {
		if err := core.Configure(h, file.Config.Bytes()); err != nil {
			return nil, err
		}
	}
	if p, ok := h.(core.PerWorker); ok {
		return p.ForWorker()
	}
	return h, nil
}

// reportRequest is the first of the vectors that is more than an empty datagram and gets a reply or, where none does,
// silence, as it does from handlers that only count; nil if there is none of these either.
func reportRequest(file *vectors.File) *core.Datagram {
	for _, kind := range []vectors.Kind{vectors.Reply, vectors.Silence} {
		for _, v := range file.Vectors {
			if v.Want.Kind == kind && v.Request.Len() > 1 {
				return &core.Datagram{Data: v.Request.Bytes(), From: v.From, To: v.To, Time: v.Time}
			}
		}
	}
	return nil
}

// inTurns returns what a datagram takes the guest, in nanoseconds, and how many times as long as it takes the native
// handler. Machines are never quiet, and noise only adds: of the turns of each the tenth that took least counts, by
// the one of them that took most.
func inTurns(guest, native core.Handler, d *core.Datagram) (ns, ratio float64, err error) {
	dst := make([]byte, 0, core.MaxPayload6)
	datagrams := spread(d)
	turn := func(h core.Handler) float64 {
		start := time.Now()
		for i := range datagrams {
			if _, failed := h.Reply(dst, &datagrams[i]); failed != nil {
				err = failed
			}
		}
		return float64(time.Since(start)) / reportDatagrams
	}
	var took, natively []float64
	for range reportTurns {
		took, natively = append(took, turn(guest)), append(natively, turn(native))
	}
	slices.Sort(took)
	slices.Sort(natively)
	return took[reportTurns/10], took[reportTurns/10] / natively[reportTurns/10], err
}

// spread returns copies of a datagram that are so far apart in time that none is a duplicate of another (RFC 7252,
// section 4.8.2: four minutes).
func spread(d *core.Datagram) []core.Datagram {
	all := slices.Repeat([]core.Datagram{*d}, reportDatagrams)
	for i := range all {
		all[i].Time = d.Time.Add(time.Duration(i) * 5 * time.Minute)
	}
	return all
}
