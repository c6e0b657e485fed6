package native

import (
	"context"
	"errors"
	"fmt"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
)

// ListenAndServe answers the datagrams that come to addr with h until ctx ends; then it returns nil. Addr
// is what Listen takes. It answers whom the zero guard.Policy lets it answer, and never itself.
//
// It returns an error when it cannot listen, and when the socket or the handler of a worker fails.
func ListenAndServe(ctx context.Context, addr string, h core.Handler) (err error) {
	conns, err := Listen(addr, Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(conns)) }()

	policy := new(guard.Policy)
	if err := KnowHost(policy, conns[0].LocalAddr()); err != nil {
		return fmt.Errorf("serve %v: %w", conns[0].LocalAddr(), err)
	}
	s := &server.Server{Handler: h, Guard: policy}
	return s.Serve(ctx, conns...)
}
