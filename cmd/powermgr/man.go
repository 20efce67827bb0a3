package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual pages for the packages. It is hidden: people read the
// pages with man powermgr.
func manCommand() *cobra.Command {
	var date string
	c := &cobra.Command{
		Use:     "man FOLDER",
		Short:   "Write the man pages to a folder",
		Example: "  powermgr man --date 2026-07-15 build/man",
		Args:    cobra.ExactArgs(1),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := time.Parse(time.DateOnly, date)
			if err != nil {
				return usage("--date %s is not a day such as 2026-07-15", date)
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // the tag has today's date, not --date
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "powermgr " + version(), Manual: "powermgr", Date: &at}, args[0])
		},
	}
	c.Flags().StringVar(&date, "date", time.Now().Format(time.DateOnly), "the day that the pages name")
	return c
}
