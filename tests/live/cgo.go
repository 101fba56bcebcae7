// C called from Go, and from Go that C called: three stacks of two kinds.
package main

/*
#cgo CFLAGS: -g -O0
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int inner(int a, long b)
{
	fprintf(stderr, "ARGS inner 0x%x, 0x%lx\n", a, b);
	signal(SIGABRT, SIG_DFL);
	if (a)
		abort();
	return a;
}

static int entry(int a)
{
	fprintf(stderr, "ARGS entry 0x%x\n", a);
	return inner(a + 1, 0x1234) + 1;
}

int back(int);

static int outer(int a)
{
	fprintf(stderr, "ARGS outer 0x%x\n", a);
	return back(a + 1) + 1;
}
*/
import "C"
import "os"

//export back
func back(a C.int) C.int {
	return C.entry(a+1) + 1
}

//go:noinline
func work(a int) int {
	if len(os.Args) > 1 {
		return int(C.outer(C.int(a))) + 1
	}
	return int(C.entry(C.int(a+1))) + 1
}

var sink int

// Go keeps no register across a call: at the call of leaf, b and c are gone.
//
//go:noinline
func held(a, b, c int) int {
	if a+b+c == 77 {
		return 1
	}
	return leaf(a+1) + 1
}

//go:noinline
func leaf(a int) int {
	println("ARGS leaf", a)
	for i := 0; i < 3; i++ {
		sink += i * a
	}
	return int(C.entry(C.int(a))) + sink
}

func main() {
	if len(os.Args) > 2 {
		os.Exit(held(5, 0x1234, 0x5678))
	}
	os.Exit(work(5))
}
