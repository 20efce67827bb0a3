package config

import (
	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/au"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/bg"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/cy"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/ee"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fi"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/gr"
	"github.com/rickar/cal/v2/hr"
	"github.com/rickar/cal/v2/hu"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/is"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/lt"
	"github.com/rickar/cal/v2/lu"
	"github.com/rickar/cal/v2/lv"
	"github.com/rickar/cal/v2/mt"
	"github.com/rickar/cal/v2/mx"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/nz"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/pt"
	"github.com/rickar/cal/v2/ro"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/si"
	"github.com/rickar/cal/v2/sk"
	"github.com/rickar/cal/v2/us"
	"github.com/rickar/cal/v2/za"
)

// publicCalendar is the list of public holidays of a country or a part of one.
type publicCalendar struct {
	code string // the ISO 3166 code, in lower case
	name string
	days []*cal.Holiday
}

// publicCalendars returns the calendars that settings.holidays can name. For a country
// whose parts differ, its own calendar has the holidays that all parts share.
func publicCalendars() []publicCalendar {
	return []publicCalendar{
		{"at", "Austria", at.Holidays},
		{"au-act", "Australia, ACT", au.HolidaysACT},
		{"au-nsw", "Australia, NSW", au.HolidaysNSW},
		{"au-nt", "Australia, NT", au.HolidaysNT},
		{"au-qld", "Australia, QLD", au.HolidaysQLD},
		{"au-sa", "Australia, SA", au.HolidaysSA},
		{"au-tas", "Australia, TAS", au.HolidaysTAS},
		{"au-vic", "Australia, VIC", au.HolidaysVIC},
		{"au-wa", "Australia, WA", au.HolidaysWA},
		{"be", "Belgium", be.Holidays},
		{"bg", "Bulgaria", bg.Holidays},
		{"br", "Brazil", br.Holidays},
		{"ca", "Canada", ca.Holidays},
		{"ch", "Switzerland", ch.Holidays},
		{"ch-zh", "Switzerland, ZH", ch.HolidaysZH},
		{"ch-be", "Switzerland, BE", ch.HolidaysBE},
		{"ch-lu", "Switzerland, LU", ch.HolidaysLU},
		{"ch-ur", "Switzerland, UR", ch.HolidaysUR},
		{"ch-sz", "Switzerland, SZ", ch.HolidaysSZ},
		{"ch-ow", "Switzerland, OW", ch.HolidaysOW},
		{"ch-nw", "Switzerland, NW", ch.HolidaysNW},
		{"ch-gl", "Switzerland, GL", ch.HolidaysGL},
		{"ch-zg", "Switzerland, ZG", ch.HolidaysZG},
		{"ch-fr", "Switzerland, FR", ch.HolidaysFR},
		{"ch-so", "Switzerland, SO", ch.HolidaysSO},
		{"ch-bs", "Switzerland, BS", ch.HolidaysBS},
		{"ch-bl", "Switzerland, BL", ch.HolidaysBL},
		{"ch-sh", "Switzerland, SH", ch.HolidaysSH},
		{"ch-ar", "Switzerland, AR", ch.HolidaysAR},
		{"ch-ai", "Switzerland, AI", ch.HolidaysAI},
		{"ch-sg", "Switzerland, SG", ch.HolidaysSG},
		{"ch-gr", "Switzerland, GR", ch.HolidaysGR},
		{"ch-ag", "Switzerland, AG", ch.HolidaysAG},
		{"ch-tg", "Switzerland, TG", ch.HolidaysTG},
		{"ch-vd", "Switzerland, VD", ch.HolidaysVD},
		{"ch-ti", "Switzerland, TI", ch.HolidaysTI},
		{"ch-vs", "Switzerland, VS", ch.HolidaysVS},
		{"ch-ne", "Switzerland, NE", ch.HolidaysNE},
		{"ch-ge", "Switzerland, GE", ch.HolidaysGE},
		{"ch-ju", "Switzerland, JU", ch.HolidaysJU},
		{"cy", "Cyprus", cy.Holidays},
		{"cz", "Czech Republic", cz.Holidays},
		{"de", "Germany", de.Holidays},
		{"de-bw", "Germany, BW", de.HolidaysBW},
		{"de-by", "Germany, BY", de.HolidaysBY},
		{"de-be", "Germany, BE", de.HolidaysBE},
		{"de-bb", "Germany, BB", de.HolidaysBB},
		{"de-hb", "Germany, HB", de.HolidaysHB},
		{"de-hh", "Germany, HH", de.HolidaysHH},
		{"de-he", "Germany, HE", de.HolidaysHE},
		{"de-mv", "Germany, MV", de.HolidaysMV},
		{"de-ni", "Germany, NI", de.HolidaysNI},
		{"de-nw", "Germany, NW", de.HolidaysNW},
		{"de-rp", "Germany, RP", de.HolidaysRP},
		{"de-sl", "Germany, SL", de.HolidaysSL},
		{"de-sn", "Germany, SN", de.HolidaysSN},
		{"de-st", "Germany, ST", de.HolidaysST},
		{"de-sh", "Germany, SH", de.HolidaysSH},
		{"de-th", "Germany, TH", de.HolidaysTH},
		{"dk", "Denmark", dk.Holidays},
		{"ee", "Estonia", ee.Holidays},
		{"es", "Spain", es.Holidays},
		{"fi", "Finland", fi.Holidays},
		{"fr", "France", fr.Holidays},
		{"gb", "United Kingdom", gb.Holidays},
		{"gr", "Greece", gr.Holidays},
		{"hr", "Croatia", hr.Holidays},
		{"hu", "Hungary", hu.Holidays},
		{"ie", "Ireland", ie.Holidays},
		{"is", "Iceland", is.Holidays},
		{"it", "Italy", it.Holidays},
		{"jp", "Japan", jp.Holidays},
		{"lt", "Lithuania", lt.Holidays},
		{"lu", "Luxembourg", lu.Holidays},
		{"lv", "Latvia", lv.Holidays},
		{"mt", "Malta", mt.Holidays},
		{"mx", "Mexico", mx.Holidays},
		{"nl", "Netherlands", nl.Holidays},
		{"no", "Norway", no.Holidays},
		{"nz", "New Zealand", nz.Holidays},
		{"pl", "Poland", pl.Holidays},
		{"pt", "Portugal", pt.Holidays},
		{"ro", "Romania", ro.Holidays},
		{"se", "Sweden", se.Holidays},
		{"si", "Slovenia", si.Holidays},
		{"sk", "Slovakia", sk.Holidays},
		{"us", "United States", us.Holidays},
		{"za", "South Africa", za.Holidays},
	}
}
