package guard

import "github.com/retort-udp/retort/core"

// classifier finds the Classifier of a handler. What is below an Unwrapper may be another with the next
// datagram, as below a core.Swap; with other handlers one look is enough.
type classifier struct {
	found   core.Classifier
	wrapper core.Handler // nil: found is all there ever is
}

func classifierOf(h core.Handler) (c classifier) {
	if found, ok := h.(core.Classifier); ok {
		c.found = found
	} else if _, wraps := h.(core.Unwrapper); wraps {
		c.wrapper = h
	}
	return c
}

// get returns the Classifier, or nil when there is none.
func (c *classifier) get() core.Classifier {
	if c.wrapper == nil {
		return c.found
	}
	return c.below()
}

// below looks for the Classifier below the wrapper. It does what core.As does, for this one interface: there each
// assertion goes through a table of the runtime, and this is done for each datagram.
func (c *classifier) below() core.Classifier {
	for h := c.wrapper; h != nil; {
		if found, ok := h.(core.Classifier); ok {
			return found
		}
		u, wraps := h.(core.Unwrapper)
		if !wraps {
			break
		}
		h = u.Unwrap()
	}
	return nil
}
