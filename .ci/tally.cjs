// Adds up the test reports of one run and prints the closing line.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const [directory, failedSteps] = [process.argv[2], Number(process.argv[3])];
const sum = { passed: 0, failed: 0, skipped: 0 };
for (const name of fs.readdirSync(directory).filter((file) => file.endsWith('.json'))) {
  const report = JSON.parse(fs.readFileSync(path.join(directory, name), 'utf8'));
  sum.passed += report.numPassedTests;
  sum.failed += report.numFailedTests;
  sum.skipped += report.numPendingTests + report.numTodoTests;
  // A file that could not even load fails without a failed test in it.
  sum.failed += report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
}
if (failedSteps > 0 && sum.failed === 0) sum.failed = failedSteps;
if (sum.passed === 0 && sum.failed === 0) sum.failed = 1;
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exit(sum.failed === 0 ? 0 : 1);
