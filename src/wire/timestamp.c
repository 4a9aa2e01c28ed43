#include "wire/timestamp.h"

enum { US_PER_S = 1000000, S_PER_DAY = 86400 };
#define TIME_END INT64_C(253402300800000000) /* first microsecond of year 10000 */

static bool is_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static int days_in_month(int64_t year, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[month - 1] + (month == 2 && is_leap(year));
}

static int day_of_year(int64_t year, int month)
{
	static const int before[12] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	return before[month - 1] + (month > 2 && is_leap(year));
}

/* Days from 0001-01-01 to the first day of a year >= 1. */
static int64_t days_before_year(int64_t year)
{
	int64_t y = year - 1;
	return y * 365 + y / 4 - y / 100 + y / 400;
}

enum { DAYS_TO_EPOCH = 719162 }; /* 0001-01-01 to 1970-01-01 */

/* Reads exactly `digits` digits at *at; false when there are fewer. */
static bool take_number(struct span s, size_t *at, int digits, int *out)
{
	int v = 0;
	if (s.n - *at < (size_t)digits) return false;
	for (int i = 0; i < digits; i++) {
		char c = s.p[*at + (size_t)i];
		if (c < '0' || c > '9') return false;
		v = v * 10 + (c - '0');
	}
	*at += (size_t)digits;
	*out = v;
	return true;
}

static bool take_char(struct span s, size_t *at, char c)
{
	if (*at >= s.n || s.p[*at] != c) return false;
	++*at;
	return true;
}

static bool take_date(struct span s, size_t *at, int64_t *days)
{
	int year, month, day;
	if (!take_number(s, at, 4, &year) || !take_char(s, at, '-') || !take_number(s, at, 2, &month) || !take_char(s, at, '-') ||
		!take_number(s, at, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
	*days = days_before_year(year) + day_of_year(year, month) + (day - 1) - DAYS_TO_EPOCH;
	return true;
}

static bool take_clock(struct span s, size_t *at, int *seconds)
{
	int h, m, sec;
	if (!take_number(s, at, 2, &h) || !take_char(s, at, ':') || !take_number(s, at, 2, &m) || !take_char(s, at, ':') ||
		!take_number(s, at, 2, &sec))
		return false;
	*seconds = h * 3600 + m * 60 + sec;
	return h <= 23 && m <= 59 && sec <= 59;
}

static bool take_fraction(struct span s, size_t *at, int *us)
{
	*us = 0;
	if (!take_char(s, at, '.')) return true;
	int scale = 100000, digits = 0;
	for (int d; take_number(s, at, 1, &d); digits++) {
		*us += d * scale;
		scale /= 10;
	}
	return digits >= 1 && digits <= 9;
}

static bool take_offset(struct span s, size_t *at, int *seconds)
{
	*seconds = 0;
	if (take_char(s, at, 'Z') || take_char(s, at, 'z')) return true;
	int sign = take_char(s, at, '+') ? 1 : take_char(s, at, '-') ? -1 : 0;
	int h, m;
	if (!sign || !take_number(s, at, 2, &h) || !take_char(s, at, ':') || !take_number(s, at, 2, &m)) return false;
	*seconds = sign * (h * 3600 + m * 60);
	return h <= 23 && m <= 59;
}

bool time_parse(struct span s, int64_t *us)
{
	size_t at = 0;
	int64_t days;
	int seconds, fraction, offset;
	if (!take_date(s, &at, &days)) return false;
	if (!take_char(s, &at, 'T') && !take_char(s, &at, 't')) return false;
	if (!take_clock(s, &at, &seconds) || !take_fraction(s, &at, &fraction) || !take_offset(s, &at, &offset) || at != s.n)
		return false;
	int64_t v = (days * S_PER_DAY + seconds - offset) * US_PER_S + fraction;
	if (v < TIME_ZERO || v >= TIME_END) return false;
	*us = v;
	return true;
}

static void put_number(char *p, int digits, int64_t v)
{
	for (int i = digits - 1; i >= 0; i--, v /= 10) p[i] = (char)('0' + v % 10);
}

/* Year of a day counted from 0001-01-01: a guess by the mean length, then at most a step or two. */
static int64_t year_of(int64_t days)
{
	int64_t year = days * 400 / 146097 + 1;
	while (days_before_year(year) > days) year--;
	while (days_before_year(year + 1) <= days) year++;
	return year;
}

/* Days and microseconds of the day since year 1, so never negative. */
static void split_days(int64_t us, int64_t *days, int64_t *rest)
{
	if (us < TIME_ZERO) us = TIME_ZERO;
	if (us >= TIME_END) us = TIME_END - 1;
	int64_t since = us - TIME_ZERO, day_us = (int64_t)S_PER_DAY * US_PER_S;
	*days = since / day_us;
	*rest = since % day_us;
}

static void put_date(char out[10], int64_t days)
{
	int64_t year = year_of(days);
	int64_t day = days - days_before_year(year);
	int month = 12;
	while (day_of_year(year, month) > day) month--;
	put_number(out, 4, year);
	put_number(out + 5, 2, month);
	put_number(out + 8, 2, day - day_of_year(year, month) + 1);
	out[4] = out[7] = '-';
}

static void put_clock(char out[17], int64_t rest)
{
	int64_t seconds = rest / US_PER_S;
	memcpy(out, "T00:00:00.000000Z", 17);
	put_number(out + 1, 2, seconds / 3600);
	put_number(out + 4, 2, seconds / 60 % 60);
	put_number(out + 7, 2, seconds % 60);
	put_number(out + 10, 6, rest % US_PER_S);
}

void time_format(int64_t us, char out[28])
{
	int64_t days, rest;
	split_days(us, &days, &rest);
	put_date(out, days);
	put_clock(out + 10, rest);
	out[27] = '\0';
}

static int64_t to_ns(int64_t us)
{
	if (us > INT64_MAX / 1000) return INT64_MAX;
	if (us < INT64_MIN / 1000) return INT64_MIN;
	return us * 1000;
}

void jsonw_time(struct jsonw *w, enum dialect d, int64_t us)
{
	if (d == DIALECT_2) {
		if (us == TIME_ZERO)
			jsonw_null(w);
		else
			jsonw_int(w, to_ns(us));
		return;
	}
	char text[29];
	int64_t days, rest;
	split_days(us, &days, &rest);
	if (days != w->memo_day || w->memo_date[0] == '\0') {
		put_date(w->memo_date, days);
		w->memo_day = days;
	}
	text[0] = text[28] = '"';
	memcpy(text + 1, w->memo_date, 10);
	put_clock(text + 11, rest);
	jsonw_raw(w, (struct span){ text, sizeof text });
}

void jsonw_ktime(struct jsonw *w, const char *key, enum dialect d, int64_t us)
{
	jsonw_key(w, key);
	jsonw_time(w, d, us);
}
