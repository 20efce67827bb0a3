// Powermgr cuts a home's grid use when electricity is expensive.
package main

import (
	"context"
	"fmt"
	"os"
	_ "time/tzdata" // a bare Pi may have no time zones of its own
)

func main() {
	if err := leaveRoot(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "powermgr: continuing as root:", err)
	}
	os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}
