package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far a long task has come: as a bar on a terminal, and elsewhere as
// a line for each tenth.
type progress struct {
	w     io.Writer
	what  string
	bar   *progressbar.ProgressBar // nil: there is no terminal
	tenth int
}

func newProgress(w io.Writer, what string) *progress {
	p := &progress{w: w, what: what}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
			progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
	}
	return p
}

// update shows that done of all is done; text describes what came last, if anything.
func (p *progress) update(done, all int, text string) {
	if p.bar != nil {
		if p.bar.GetMax() != all {
			p.bar.ChangeMax(all)
		}
		if text != "" {
			p.bar.Describe(p.what + " " + text)
		}
		_ = p.bar.Set(done) // a terminal that has gone needs no bar
		return
	}
	if tenth := 10 * done / max(1, all); tenth > p.tenth {
		p.tenth = tenth
		if text != "" {
			text = ": " + text
		}
		fmt.Fprintf(p.w, "%s: %d of %d%s\n", p.what, done, all, text)
	}
}

// end removes the bar.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
