package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
	"powermgr/cmd/records"
	"powermgr/control/report"
)

func reportCommand(g *globals) *cobra.Command {
	var date, format string
	var send, firstWeek bool
	c := &cobra.Command{
		Use:   "report",
		Short: "Show the report of a day, or send the daily report",
		Long: `Shows what powermgr decided on a day and why, where energy flowed, and what that saved: as text, as a
web page, or as JSON, the same as the metrics file.

--send does the work of the evening: it writes the metrics file of the day and of any days that were
missed, removes files that are too old, and mails the report to notifications.recipients.info. Running
it twice sends nothing twice. powermgr-metrics.timer runs it at 23:30 with --date due, which is today
in its last hour, and yesterday otherwise. If you send the report of a day that is not over yet, the
complete report still follows in the evening. On the seventh evening of a dry run it also mails what
powermgr would have done that week, and what that would have saved; --first-week shows this at any time.`,
		Example: "  sudo powermgr report --date yesterday\n  sudo powermgr report --first-week",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			formats := []string{"text", "html", "json"}
			if !slices.Contains(formats, format) {
				return usage("--format %s is unknown: choose text, html or json%s", format, config.DidYouMean(format, formats))
			}
			config, _, err := config.Load(g.config, os.Environ())
			if err != nil {
				return err
			}
			e := records.DailyReport{Config: config, Now: time.Now(), Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))}
			name, err := e.Date(date)
			if err != nil {
				return wrong(err)
			}
			if send {
				if cmd.Flags().Changed("format") {
					return usage("--format is for what is shown: leave it out with --send")
				}
				err = sendDue(cmd, e, name)
				if none := new(records.NoRecord); date == "due" && errors.As(err, &none) && none.Date == name {
					fmt.Fprintf(cmd.OutOrStdout(), "nothing is due: %v\n", err) // the first day, or nothing ran then
					return nil
				}
				return err
			}
			if firstWeek {
				return trial(cmd, e, format)
			}
			day, err := e.Day(name)
			if err != nil {
				return err
			}
			text, err := written(day, format)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&date, "date", "today", "the day: today, yesterday, due, or a date such as 2026-07-15")
	f.StringVar(&format, "format", "text", "text, html or json")
	f.BoolVar(&firstWeek, "first-week", false, "show what powermgr would have done in the last seven days of the dry run, and what that would have saved")
	f.BoolVar(&send, "send", false, "write the metrics files, and mail the reports that have not been mailed yet")
	return c
}

// trial shows what the dry run would have done.
func trial(cmd *cobra.Command, e records.DailyReport, format string) error {
	w, err := e.FirstWeek()
	if err != nil {
		return err
	}
	text := []byte(report.WeekText(w))
	switch format {
	case "text":
	case "html":
		if text, err = report.WeekHTML(w); err != nil {
			return err
		}
	default:
		return usage("--first-week is shown as text or html")
	}
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

// written returns the report in a format.
func written(day records.Day, format string) ([]byte, error) {
	switch format {
	case "text":
		return []byte(report.Text(day.Record)), nil
	case "html":
		return day.HTML()
	}
	return report.JSON(day.Record)
}

// sendDue does the work of the daily timer. If one part fails, the others are still done.
func sendDue(cmd *cobra.Command, e records.DailyReport, date string) error {
	files, err := e.Close(date)
	problems := []error{err}
	for _, name := range files {
		fmt.Fprintf(cmd.OutOrStdout(), "written: the metrics of %s\n", name)
	}
	remembered, err := e.Remember()
	problems = append(problems, err)
	for _, name := range remembered {
		fmt.Fprintf(cmd.OutOrStdout(), "added to the history: %s\n", name)
	}
	if !slices.Contains(files, date) {
		files = append(files, date)
	}
	var days []records.Day
	for _, name := range files {
		day, err := e.Day(name)
		if problems = append(problems, err); err == nil {
			days = append(days, day)
		}
	}
	if len(days) == 0 {
		return errors.Join(problems...)
	}
	problems = append(problems, e.Mail(cmd.Context(), days))
	return errors.Join(problems...)
}
