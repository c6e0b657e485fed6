//go:build !race

package dns_test

const raced = false
