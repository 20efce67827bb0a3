package report

import (
	"bytes"
	_ "embed" // the page
	"fmt"
	"html/template"
)

// report.html is self-contained: it has no other file, no script, and each style is on
// its element, since mail clients drop everything else. Only the dark colors, for people
// who prefer them, may be dropped.
//
//go:embed report.html
var pageHTML string

// HTML renders the report of a day as a page for a phone, a mail or a browser. image is
// the address of Chart's picture, "cid:chart" or a data URI; empty: there is none.
func HTML(r Record, image string) ([]byte, error) { return paged(r).html(image) }

func (p page) html(image string) ([]byte, error) {
	t, err := template.New("report").Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		page
		Image template.URL
	}{p, template.URL(image)}) // the caller's own, never a vendor's
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}
