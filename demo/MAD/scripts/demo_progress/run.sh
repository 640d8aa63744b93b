# SPDX-License-Identifier: GPL-3.0-or-later
# A progress bar drawn with carriage returns, a line of a megabyte, and a last line without an end.
for step in $(seq 1 20); do
  printf '\rstep %d/20' "$step"
  sleep 0.005
done
printf '\n'
echo "long line: $(head -c 1048576 /dev/zero | tr '\0' x)"
echo "performance: 1 bars"
printf 'the end, without a newline'
