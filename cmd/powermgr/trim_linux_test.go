package main

import (
	"reflect"
	"testing"
)

func TestClean(t *testing.T) {
	const smaps = `00400000-00c2a000 r-xp 00000000 08:01 123                                /usr/bin/powermgr
Size:               8360 kB
Rss:                5000 kB
Private_Clean:      5000 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00c2a000-01900000 r--p 0082a000 08:01 123                                /usr/bin/powermgr
Private_Dirty:         4 kB
Anonymous:             4 kB
01900000-01990000 rw-p 01500000 08:01 123                                /usr/bin/powermgr
Private_Dirty:         0 kB
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 08:01 77                         /usr/lib/libc.so
Private_Dirty:         0 kB
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Private_Dirty:         0 kB
Anonymous:             0 kB
`
	if got, want := clean([]byte(smaps), "/usr/bin/powermgr"), []mapping{{0x400000, 0xc2a000}}; !reflect.DeepEqual(got, want) {
		t.Errorf("clean: %x, want %x", got, want)
	}
	trim() // of this very process, which goes on
	if len(clean([]byte(smaps), "/elsewhere")) != 0 {
		t.Error("another file's mappings")
	}
}
