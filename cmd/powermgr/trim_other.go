//go:build !linux

package main

func trim() {}
