package impair_test

import (
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core/impair"
)

func TestParse(t *testing.T) {
	both := func(f impair.Faults) impair.Settings { return impair.Settings{Requests: f, Replies: f} }
	for text, want := range map[string]impair.Settings{
		"":          {},
		"  ":        {},
		"loss=10%":  both(impair.Faults{Loss: 0.1}),
		"loss=0.1":  both(impair.Faults{Loss: 0.1}),
		"loss=100%": both(impair.Faults{Loss: 1}),
		"loss=10%,delay=20ms±5ms,seed=7": {
			Requests: impair.Faults{Loss: 0.1, Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond},
			Replies:  impair.Faults{Loss: 0.1, Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond},
			Seed:     7,
		},
		"delay=20ms+-5ms": both(impair.Faults{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond}),
		"in.loss=1%, out.loss=2%": {
			Requests: impair.Faults{Loss: 0.01}, Replies: impair.Faults{Loss: 0.02},
		},
		"out.delay=1s±10ms":        {Replies: impair.Faults{Delay: time.Second, Jitter: 10 * time.Millisecond}},
		"loss=5%,in.loss=0":        {Replies: impair.Faults{Loss: 0.05}},
		"swap=50%,wrong-port=0.25": {Swap: 0.5, WrongPort: 0.25},
		"duplicate=1%,reorder=2%,truncate=3%,corrupt=4%": both(impair.Faults{
			Duplicate: 0.01, Reorder: 0.02, Truncate: 0.03, Corrupt: 0.04,
		}),
	} {
		got, err := impair.Parse(text)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"loss":           `"loss" is no setting: write NAME=VALUE`,
		"loss=10%,":      "is no setting",
		"los=10%":        `there is no setting "los"`,
		"in.swap=1%":     `there is no setting "in.swap"`,
		"loss=ten":       "in.loss=ten: a share is a percentage",
		"loss=NaN":       "a share is a percentage",
		"loss=101%":      "in.loss is 1.01: a share is between 0% and 100%",
		"loss=-1%":       "a share is between",
		"delay=20":       "in.delay=20: a delay is a duration",
		"delay=-1s":      "it is between 0 and 1m0s",
		"delay=2m":       "it is between 0 and 1m0s",
		"delay=1s±":      "a delay is a duration",
		"jitter=1s±1s":   "a delay is a duration",
		"seed=-1":        "a seed is a whole number",
		"out.seed=1":     "there is no setting",
		"wrong-port=yes": "wrong-port=yes: a share",
	} {
		if got, err := impair.Parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %+v, %v; want an error that says %s", text, got, err, says)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"loss=10%,delay=20ms±5ms,seed=7", "in.corrupt=1e-3,swap=1", "x=,", "delay=1s+-1s", "=", "loss=Inf"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := impair.Parse(text)
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Errorf("what %q means is not valid: %v", text, err)
		}
		if again, err := impair.Parse(s.String()); err != nil || again != s {
			t.Errorf("%q is %+v, which is written %q and read as %+v, %v", text, s, s, again, err)
		}
	})
}
