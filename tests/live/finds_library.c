/* The library of finds.c: outer(back, a) → inner(back, a + 1) → back(a + 2). */
__attribute__((noinline)) int inner(int (*back)(int), int a)
{
	return back(a + 1) + 1;
}

int outer(int (*back)(int), int a)
{
	return inner(back, a + 1) + 1;
}
