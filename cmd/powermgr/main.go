// Powermgr cuts a home's grid use when electricity is expensive.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // a bare Pi may have no time zones of its own
)

func main() { os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})) }
