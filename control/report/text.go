package report

import (
	"strings"
	"unicode/utf8"
)

// width is the longest line of the report as text.
const width = 78

// Text renders the report of a day as text, in lines of at most 78 characters.
func Text(r Record) string { return paged(r).text() }

func (p page) text() string {
	var b strings.Builder
	b.WriteString(p.Title + "\n" + strings.Repeat("=", utf8.RuneCountInString(p.Title)) + "\n\n")
	for _, line := range append([]string{p.Headline}, p.Lines...) {
		b.WriteString(strings.Join(wrap(line, width), "\n") + "\n\n")
	}
	for i, s := range p.Sections {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(s.Title + "\n" + strings.Repeat("-", utf8.RuneCountInString(s.Title)) + "\n")
		table(&b, s)
		if s.Note != "" {
			b.WriteString(strings.Join(wrap(s.Note, width), "\n") + "\n")
		}
	}
	return b.String()
}

// table writes a section's rows in columns; what is too wide is wrapped.
func table(b *strings.Builder, s section) {
	rows := s.Rows
	if len(s.Head) > 0 && len(rows) > 0 {
		rows = append([][]string{s.Head}, rows...)
	}
	widths := columns(rows)
	for _, row := range rows {
		var cells [][]string
		height := 0
		for i, text := range row {
			cells = append(cells, wrap(text, widths[i]))
			height = max(height, len(cells[i]))
		}
		for line := range height {
			var out strings.Builder
			for i, cell := range cells {
				text := ""
				if line < len(cell) {
					text = cell[line]
				}
				pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(text)))
				if s.Figures && i > 0 {
					out.WriteString(pad + text + "  ")
				} else {
					out.WriteString(text + pad + "  ")
				}
			}
			b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
		}
	}
}

// columns are how wide the columns are such that a line has room: the widest
// give way.
func columns(rows [][]string) (widths []int) {
	for _, row := range rows {
		for i, text := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			for line := range strings.SplitSeq(text, "\n") {
				widths[i] = max(widths[i], utf8.RuneCountInString(line))
			}
		}
	}
	for {
		sum, widest := 2*(len(widths)-1), 0
		for i, w := range widths {
			sum += w
			if w > widths[widest] {
				widest = i
			}
		}
		if sum <= width {
			return widths
		}
		widths[widest]--
	}
}

// wrap breaks text where it has lines, else between words, and inside those
// that are too long.
func wrap(text string, most int) (lines []string) {
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, wrapLine(line, most)...)
	}
	return lines
}

func wrapLine(text string, most int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		for utf8.RuneCountInString(word) > most {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			r := []rune(word)
			lines, word = append(lines, string(r[:most])), string(r[most:])
		}
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= most:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}
