"""Makes sample.csv: five minutes of an invented coding assistant, always the same."""

import datetime
import random

ROWS = 300
random.seed(20231116)
start = datetime.datetime(2024, 5, 13, 9, 0, 0)

# Half of the requests come in bursts of an agent's calls, the others one by one.
times = [random.uniform(0, 300) for _ in range(ROWS // 2)]
while len(times) < ROWS:
    burst = random.uniform(0, 290)
    for _ in range(min(random.randint(5, 25), ROWS - len(times))):
        times.append(burst)
        burst += random.expovariate(4)

print("TIMESTAMP,ContextTokens,GeneratedTokens")
for seconds in sorted(times):
    context = min(int(random.lognormvariate(7.2, 0.9)) + 20, 8000)
    generated = min(int(random.lognormvariate(2.9, 1.1)) + 1, 2000)
    at = start + datetime.timedelta(microseconds=int(seconds * 1e6))
    print(f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond:06d}0,{context},{generated}")
