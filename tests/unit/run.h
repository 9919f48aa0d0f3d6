/* SPDX-License-Identifier: MIT */
/* Kernel-side tests, as the host-side runner sees them. */
#pragma once

struct maestro;
const char *maestro_ktest_suite(unsigned suite);		  /* name; NULL: no more */
const char *maestro_ktest_name(unsigned suite, unsigned i);	  /* NULL: no more */
const char *maestro_ktest_run(struct maestro *k, unsigned suite, unsigned i); /* NULL: passed */
/* Three racing kernel threads: how many of 150 updates were made, and a number for their order. */
const char *maestro_ktest_race(struct maestro *k, unsigned *counter, unsigned *trace);
