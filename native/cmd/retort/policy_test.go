package main

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/spf13/cobra"

	"github.com/retort-udp/retort/core/guard"
)

// policyOf returns the policy that the flags make.
func policyOf(t *testing.T, args ...string) guard.Policy {
	t.Helper()
	var f policyFlags
	cmd := new(cobra.Command)
	f.add(cmd.Flags())
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	p, err := f.get(cmd.Flags(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

func TestPolicyFlags(t *testing.T) {
	got := policyOf(t,
		"--allow", "192.0.2.0/24", "--allow", "198.51.100.1", "--deny", "2001:db8::/32", "--answer-broadcast",
		"--rate-limit", "off", "--rate", "2", "--burst", "3", "--slip", "4", "--prefix4", "5", "--prefix6", "6",
		"--fault-cost", "7", "--max-amplification", "8.5", "--loop-guard", "on", "--low-port-exchanges", "9",
		"--client-port-exchanges", "10", "--client-ports", "11", "--service-ports", "12,13", "--i-know")
	want := guard.Policy{
		Allow:               []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.1/32")},
		Deny:                []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")},
		AnswerGroup:         true,
		RateLimit:           guard.Off,
		Rate:                2,
		Burst:               3,
		Slip:                4,
		Prefix4:             5,
		Prefix6:             6,
		FaultCost:           7,
		MaxAmplification:    8.5,
		LoopGuard:           guard.On,
		LowPortExchanges:    9,
		ClientPortExchanges: 10,
		ClientPorts:         11,
		ServicePorts:        []uint16{12, 13},
		Acknowledge:         true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the flags make\n%+v, not\n%+v", got, want)
	}

	// A field that is added to Policy must get a flag, and be given one above; but not what the command finds out.
	found := []string{"Local", "Own", "Broadcast", "Seed"}
	v := reflect.ValueOf(want)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() && !slices.Contains(found, name) {
			t.Errorf("no flag sets Policy.%s", name)
		}
	}
}

// TestPolicyDefaults: without flags the policy is what the zero one stands for.
func TestPolicyDefaults(t *testing.T) {
	want := guard.Policy{
		Rate:                guard.DefaultRate,
		Prefix4:             guard.DefaultPrefix4,
		Prefix6:             guard.DefaultPrefix6,
		FaultCost:           guard.DefaultFaultCost,
		MaxAmplification:    guard.DefaultMaxAmplification,
		LowPortExchanges:    guard.DefaultLowPortExchanges,
		ClientPortExchanges: guard.DefaultClientPortExchanges,
		ClientPorts:         guard.DefaultClientPorts,
	}
	got := policyOf(t)
	if len(got.Allow)+len(got.Deny)+len(got.ServicePorts) > 0 {
		t.Errorf("the defaults are %+v", got)
	}
	got.Allow, got.Deny, got.ServicePorts = nil, nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the defaults are\n%+v, not\n%+v", got, want)
	}
}
