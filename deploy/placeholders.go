// Package deploy has what the example of the configuration says of itself.
package deploy

import (
	_ "embed" // of the list
	"slices"
	"strings"
)

//go:embed placeholders.txt
var placeholders string

// IsPlaceholder reports whether a client id, a user name or a password is one of
// the example's.
func IsPlaceholder(text string) bool {
	return !strings.HasPrefix(text, "#") && slices.Contains(strings.Split(strings.TrimSpace(placeholders), "\n"), strings.TrimSpace(text))
}
