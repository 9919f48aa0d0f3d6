/* SPDX-License-Identifier: MIT */
/*
 * The clock is the TSC, scaled by a multiplier measured at boot against the PIT (8254 data sheet), or told by the hypervisor or CPUID.15H.
 * The timer is the local APIC's: TSC deadline where there is that, else its counter; without an APIC the PIT in mode 0.
 *
 * Programming the timer costs a slow register access, so a deadline later than the one in the hardware is only remembered: the interrupt
 * comes early, finds that nothing is due, and sets the timer again.
 */
#include <hal/time.h>
#include <hal/upcall.h>
#include <maestro/atomic.h>
#include <maestro/lib.h>
#include <x86/x86.h>

#define PIT_HZ 1193182u
#define CALIBRATE_MS 20u
#define MAX_SLEEP NSEC_PER_SEC /* what the counters surely hold; the PIT is cut again below */
#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71

void x86_irq_enable_pit(void);

u32 x86_tsc_khz;
static struct hal_vclock clock; /* constant after x86_time_init() */
static u64 lapic_mult;		/* timer ticks per ns, 32 fraction bits */
static u64 tsc_mult;		/* TSC cycles per ns, 28 fraction bits */
/* Per CPU; there is one. */
static ktime_t deadline = S64_MAX, programmed = S64_MAX;

static ktime_t cycles_to_ns(u64 c)
{
	u32 lo = (u32)c, hi = (u32)(c >> 32);

	return (ktime_t)(((u64)lo * clock.mult >> clock.shift) + (((u64)hi * clock.mult) << (32 - clock.shift)));
}

ktime_t hal_time_ns(void)
{
	return cycles_to_ns(hal_cycles() - clock.base_cycles);
}

u32 hal_time_resolution(void)
{
	return 1;
}

/* Good while there is one CPU: nothing else then has a TSC of its own. */
bool hal_time_vclock(struct hal_vclock *out)
{
	*out = clock;
	return true;
}

/* What the three counters said at about the same time. */
struct sample {
	u64 cycles;
	u32 pit, apic;
};

/* The tightest of some readings: what runs between the lines (a host's other work, an SMI) only widens them. */
static struct sample sample_take(void)
{
	struct sample best = { 0 };
	u64 width = U64_MAX;

	for (int i = 0; i < 5; i++) {
		struct sample s = { .cycles = hal_cycles() };
		u64 end;

		outb(0x43, 0x80); /* latch channel 2 */
		s.pit = inb(0x42);
		s.pit |= (u32)inb(0x42) << 8;
		s.apic = x86_has_apic ? x86_lapic_timer_count() : 0;
		end = hal_cycles();
		if (end - s.cycles < width) {
			width = end - s.cycles;
			best = s;
		}
	}
	return best;
}

/*
 * Lets PIT channel 2 count down and measures at least CALIBRATE_MS of it in TSC cycles and APIC timer ticks. The counts are read while they
 * run, so it does not matter how late the end is seen, unless the PIT has run out meanwhile (55 ms): then false.
 */
static bool calibrate(struct sample *passed)
{
	struct sample first, last;

	outb(0x61, (u8)((inb(0x61) & ~2u) | 1)); /* gate on, speaker off */
	outb(0x43, 0xb0);			 /* channel 2, both bytes, mode 0 */
	outb(0x42, 0xff);
	if (x86_has_apic)
		x86_lapic_timer_set(U32_MAX);
	outb(0x42, 0xff);
	first = sample_take();
	do {
		last = sample_take();
	} while (first.pit - last.pit < PIT_HZ / 1000 * CALIBRATE_MS);
	if (x86_has_apic)
		x86_lapic_timer_set(0);
	*passed = (struct sample){ last.cycles - first.cycles, first.pit - last.pit, first.apic - last.apic };
	return !(inb(0x61) & 0x20);
}

/* kHz as KVM, VMware and others tell it, or CPUID's crystal leaf; 0: unknown. */
static u32 announced_khz(void)
{
	struct x86_cpuid c = x86_cpuid(1, 0);

	if (c.c & (1u << 31)) {
		c = x86_cpuid(0x40000000, 0);
		if (c.a >= 0x40000010 && c.a < 0x40001000) {
			c = x86_cpuid(0x40000010, 0);
			if (c.a > 100000)
				return c.a;
		}
	}
	if (x86_cpuid(0, 0).a >= 0x15) {
		c = x86_cpuid(0x15, 0);
		if (c.a && c.b && c.c)
			return (u32)div_u64(div_u64((u64)c.c * c.b, c.a), 1000);
	}
	return 0;
}

void x86_time_init(void)
{
	struct sample passed;

	for (int tries = 0; !calibrate(&passed) && tries < 20; tries++)
		;
	x86_tsc_khz = announced_khz();
	if (!x86_tsc_khz)
		x86_tsc_khz = (u32)div_u64(div_u64(passed.cycles * PIT_HZ, passed.pit), 1000);
	clock.shift = 32;
	while (div_u64(1000000ull << clock.shift, x86_tsc_khz) > U32_MAX)
		clock.shift--;
	clock.mult = (u32)div_u64(1000000ull << clock.shift, x86_tsc_khz);
	clock.base_cycles = hal_cycles();
	tsc_mult = div_u64((u64)x86_tsc_khz << 28, 1000000);
	if (!x86_has_apic) {
		x86_irq_enable_pit();
		return;
	}
	lapic_mult = div_u64((u64)passed.apic << 32, (u32)div_u64((u64)passed.pit * NSEC_PER_SEC, PIT_HZ));
	x86_lapic_timer_mode(x86_has_tsc_deadline);
}

static void timer_program(ktime_t at, ktime_t now)
{
	ktime_t delta = at - now;

	if (delta < 1000)
		delta = 1000;
	if (delta > MAX_SLEEP)
		delta = MAX_SLEEP;
	if (!x86_has_apic && delta > 50 * NSEC_PER_MSEC)
		delta = 50 * NSEC_PER_MSEC;
	programmed = now + delta;
	if (!x86_has_apic) {
		u32 count = (u32)(((u64)delta * PIT_HZ) >> 30); /* 2^30 for 10^9: a little late, never early by more */

		count = MAX(count, 2u);
		outb(0x43, 0x30);
		outb(0x40, (u8)count);
		outb(0x40, (u8)(count >> 8));
	} else if (x86_has_tsc_deadline) {
		x86_wrmsr(MSR_TSC_DEADLINE, hal_cycles() + (((u64)delta * tsc_mult) >> 28));
	} else {
		x86_lapic_timer_set(MAX((u32)(((u64)delta * lapic_mult) >> 32), 1u));
	}
}

void hal_timer_arm(ktime_t at)
{
	deadline = at;
	if (at < programmed)
		timer_program(at, hal_time_ns());
}

void x86_timer_interrupt(bool user)
{
	ktime_t now = hal_time_ns();

	programmed = S64_MAX;
	if (now >= deadline) {
		deadline = S64_MAX;
		upcall_timer(user);
	} else if (deadline != S64_MAX) {
		timer_program(deadline, now);
	}
}

void x86_delay_us(u32 us)
{
	ktime_t end = hal_time_ns() + (ktime_t)us * 1000;

	while (hal_time_ns() < end)
		hal_cpu_relax();
}

/* --- the real-time clock (MC146818) --- */
static u8 cmos_read(u8 reg)
{
	outb(CMOS_INDEX, reg);
	return inb(CMOS_DATA);
}
static void cmos_write(u8 reg, u8 v)
{
	outb(CMOS_INDEX, reg);
	outb(CMOS_DATA, v);
}
static u32 from_bcd(u32 v)
{
	return (v & 15) + (v >> 4) * 10;
}
static u8 to_bcd(u32 v)
{
	return (u8)((v / 10) << 4 | v % 10);
}

enum { RTC_SEC = 0, RTC_MIN = 2, RTC_HOUR = 4, RTC_DAY = 7, RTC_MONTH = 8, RTC_YEAR = 9, RTC_A = 10, RTC_B = 11 };
struct rtc_time {
	u32 sec, min, hour, day, month, year;
};

static void rtc_read_once(struct rtc_time *t)
{
	for (int spins = 0; (cmos_read(RTC_A) & 0x80) && spins < 100000; spins++)
		;
	t->sec = cmos_read(RTC_SEC);
	t->min = cmos_read(RTC_MIN);
	t->hour = cmos_read(RTC_HOUR);
	t->day = cmos_read(RTC_DAY);
	t->month = cmos_read(RTC_MONTH);
	t->year = cmos_read(RTC_YEAR);
}

/* Days since 1970-01-01 of a date in the Gregorian calendar (years counted from March). */
static s32 days_from_date(u32 year, u32 month, u32 day)
{
	u32 y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

	return (s32)(365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1) - 719468;
}

s64 hal_time_wall(void)
{
	struct rtc_time t, again;
	u8 mode = cmos_read(RTC_B);
	bool pm;

	rtc_read_once(&t);
	for (int i = 0; i < 10; i++) {
		rtc_read_once(&again);
		if (!memcmp(&t, &again, sizeof(t)))
			break;
		t = again;
	}
	pm = !(mode & 2) && (t.hour & 0x80);
	t.hour &= 0x7f;
	if (!(mode & 4)) {
		t.sec = from_bcd(t.sec);
		t.min = from_bcd(t.min);
		t.hour = from_bcd(t.hour);
		t.day = from_bcd(t.day);
		t.month = from_bcd(t.month);
		t.year = from_bcd(t.year);
	}
	if (!(mode & 2))
		t.hour = t.hour % 12 + (pm ? 12 : 0);
	t.year += t.year < 70 ? 2000 : 1900;
	if (t.month < 1 || t.month > 12 || t.day < 1 || t.day > 31)
		return 0;
	return ((s64)days_from_date(t.year, t.month, t.day) * 86400 + t.hour * 3600 + t.min * 60 + t.sec) * NSEC_PER_SEC;
}

void hal_time_set_wall(s64 ns)
{
	u32 rest, days = 0, year = 1970, month = 1, length;
	u64 secs = ns > 0 ? div64_u64((u64)ns, (u64)NSEC_PER_SEC) : 0;
	u8 mode = cmos_read(RTC_B);
	bool bcd = !(mode & 4);

	days = (u32)div_u64_rem(secs, 86400, &rest);
	for (; days >= (length = (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) ? 366 : 365); year++)
		days -= length;
	while (month < 12 && days >= (length = (u32)(days_from_date(year, month + 1, 1) - days_from_date(year, month, 1)))) {
		days -= length;
		month++;
	}
#define PUT(reg, v) cmos_write((reg), bcd ? to_bcd(v) : (u8)(v))
	cmos_write(RTC_B, (u8)(mode | 0x82)); /* stop updates, 24 hours */
	PUT(RTC_SEC, rest % 60);
	PUT(RTC_MIN, rest / 60 % 60);
	PUT(RTC_HOUR, rest / 3600);
	PUT(RTC_DAY, days + 1);
	PUT(RTC_MONTH, month);
	PUT(RTC_YEAR, year % 100);
	cmos_write(RTC_B, (u8)((mode | 2) & 0x7f));
#undef PUT
}
