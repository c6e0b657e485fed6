// Package classifier serves a handler that can tell an answer from a question: a core.Handler that is a
// core.Classifier too. It does for it what package guest does for other handlers, and exports
// retort_v1_is_response.
package classifier

import (
	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/guest/internal/sdk"
)

// Serve is guest.Serve for a core.Classifier. A guest calls one of the two.
func Serve(h core.Handler) { sdk.Serve(sdk.New(h, true, sdk.HostLog)) }
