// Package plan looks ahead: which reserve the battery should have in each half
// hour to come, so that expensive hours are carried by what is stored and the
// sun is not wasted.
//
// # For an owner
//
// A Powerwall in self_consumption decides its power by itself. powermgr moves one
// thing: the reserve. Below the reserve the battery fills, from the sun and, where
// the owner allows it, from the grid; at the reserve it holds; above it, it serves
// the home. So a plan is a course of reserves, two or three changes a day:
//
//   - hold what a more expensive hour will need;
//   - fill only what sun and cheap hours will not bring by themselves;
//   - let go in expensive hours.
//
// Every half hour has a reason, such as "hold 62 %: the expensive hours from 16:00
// need 8.4 kWh and the sun leaves over 3.1 kWh until then". What the battery saves
// in money is not all that counts: a kWh from the grid in expensive hours counts
// more than its price by settings.plan.peak_weight_per_kwh, since the owner wants
// the peak clean before he wants it cheap.
//
// # For an engineer
//
// It is stochastic dynamic programming, backwards from the end, over the state of
// charge: 45 levels with straight lines between them, half hours, 36 hours. What is
// to come is not one forecast but up to 24 courses of load and sun, whole past days
// that were like today (package forecast), each with its weight. In each slot, for
// each charge, the reserve is taken whose cost is lowest on average over the
// courses: of letting go, holding, and filling slowly or fast. What is left at the
// end is worth 0.9 of the lowest price, or the plan would empty the battery before
// its horizon; a change has to gain more than a cent, or it would flap.
//
// Solve keeps what each charge is worth at each time, for each course. Ask then
// finds the reserve for what is known at a moment, to a percent, in well under a
// millisecond: the planner asks every five minutes between plans. Outline lays the
// whole course out for people, and counts what it costs beside the rule and beside
// a battery that is left alone: the same courses, the same model (package battery),
// less what is left.
//
// A plan with its courses, outline and reasons takes about 10 ms and 1 MB on one
// core (BenchmarkPlan of package planner).
//
// # Thermostats
//
// A house keeps warmth and cold, as a battery does. Package thermal fits a model of
// each thermostat's zone to the readings of the last two weeks: how fast it follows the
// outdoors and its own walls, what sun and people add, what a compressor moves and draws.
// The planner then tries a few ways to set the thermostats around the next peak: precool
// by 2 or 3 °F for 1, 2 or 3 hours or not at all, and set back by as many steps as the
// fixed rule has thresholds, or by none. Each is run through the plan of the battery with
// the load it leads to; one that would leave the comfort band of the settings is left
// out. The best by bill, import in expensive hours and comfort is planned, and its reason
// names those that lost: a °F away from the set point for an hour counts as 5 % of the
// highest price. Precooling that has begun goes on until the peak, and a setback until
// its end. Where the model explains less than half of the run time there is no plan for
// the thermostats, the reason says so, and the fixed rule decides. Its thresholds hold
// beneath a plan.
//
// # What it is not
//
// It commands nothing. Package planner makes plans as the daemon runs, and package
// rules decides what becomes of them (planned.go): whoever commands the battery,
// people and overrides come first, a plan has bounds and a number of changes a day,
// and where there is none to go by, the calendar decides. It is pure: the same inputs give the same plan.
package plan
