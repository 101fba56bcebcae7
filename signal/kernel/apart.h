/* Large memory stands apart from small variables: a program that starts then touches fewer pages.
 * The linker sorts the sections by name. */
#pragma once

#define STK_APART __attribute__((section(".bss.apart.1")))
/* A start touches its beginning: it follows the small variables. */
#define STK_PARTLY_APART __attribute__((section(".bss.apart.0")))
