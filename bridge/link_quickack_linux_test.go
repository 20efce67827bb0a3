package bridge

import (
	"io"
	"net"
	"testing"
)

// Each part of a packet took a system call of its own, and as many acknowledgments.
func TestAPacketIsOneRead(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	broker, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	if _, err := io.WriteString(broker, "packet"); err != nil {
		t.Fatal(err)
	}
	in, part := quickAck(conn), make([]byte, 1)
	if _, err := io.ReadFull(in, part); err != nil || string(part) != "p" {
		t.Fatalf("%q, %v", part, err)
	}
	if n := in.(bufferedConn).in.Buffered(); n != len("acket") {
		t.Errorf("%d bytes were read ahead", n)
	}
	rest := make([]byte, 5)
	if _, err := io.ReadFull(in, rest); err != nil || string(rest) != "acket" {
		t.Errorf("%q, %v", rest, err)
	}
}
