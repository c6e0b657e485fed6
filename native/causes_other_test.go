//go:build !unix && !windows

package native_test

var (
	errInUse, errRefused error // there are none

	passingReceiveErrors []error
	endingErrors         []error
	lossesOfSend         []sendLoss
)
