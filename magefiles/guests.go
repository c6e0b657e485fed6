package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// guests is where the sample guests are. Each is a folder NAME-LANGUAGE, with the module NAME.wasm, which is built
// here, and NAME.vectors.txt, which says what it must answer. The source depends on the language:
//
//	go              package main, in files of any name; its module is large, so it is built wherever it is needed
//	                and never committed
//	c               NAME.c
//	rust            Cargo.toml, with the library NAME
//	assemblyscript  NAME.ts
//	wat             NAME.wat
//
// A folder is all that a new guest takes. It is registered nowhere: Wasm builds what it finds, and the tests of
// package wasmhandler/guest build it, run its vectors and hold it to the contract.
const guests = "testdata/handlers"

// Wasm rebuilds the sample guests whose toolchain is installed, and says which are left alone.
func Wasm(ctx context.Context) error {
	built := make(map[string]string)
	err := eachGuest(func(folder, name string, language sdk.Language) error {
		tools, err := language.Toolchain(ctx, ".")
		if errors.Is(err, sdk.ErrMissing) {
			fmt.Printf("skipped: %s: %v\n", folder, err)
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println(folder)
		if language.Committed() && built[language.Name] == "" {
			if built[language.Name], err = compilerVersion(ctx, tools); err != nil {
				return err
			}
		}
		return tools.Build(ctx, folder, name, guestModule(folder, name))
	})
	return errors.Join(err, writeCompilers(built))
}

// eachGuest calls f for each sample guest, whatever befalls the others.
func eachGuest(f func(folder, name string, language sdk.Language) error) error {
	folders, err := filepath.Glob(guests + "/*-*")
	if err != nil {
		return err
	}
	var failures []error
	for _, folder := range folders {
		base := filepath.Base(folder)
		hyphen := strings.LastIndexByte(base, '-')
		language, err := sdk.Named(base[hyphen+1:])
		if err == nil {
			err = f(folder, base[:hyphen], language)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", folder, err))
		}
	}
	return errors.Join(failures...)
}

// guestModule is the file that a guest is built into.
func guestModule(folder, name string) string { return filepath.Join(folder, name+".wasm") }
