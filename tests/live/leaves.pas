program leaves;
{ A leaf of assembler, without call frame information: fpc writes none that programs carry. }
{$mode objfpc}

function leaf(n: int64): int64; assembler; nostackframe;
asm
.Lspin:
  jmp .Lspin
end;

function inner(a: longint; b: int64): int64;
begin
  writeln('ARGS inner 0x', lowercase(hexstr(a, 1)), ', 0x', lowercase(hexstr(b, 4)));
  flush(output);
  inner := leaf(a) + b;
end;

function work(n: longint): int64;
begin
  writeln('ARGS work 0x', lowercase(hexstr(n, 1)));
  if n > 0 then work := work(n - 1) + 1 else work := inner(n + 9, $1234);
end;

begin
  writeln(work(2));
end.
