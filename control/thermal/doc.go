// Package thermal models how a house warms and cools: it fits a model of each
// thermostat's zone to its readings, and calculates what the zone does under other set
// points. It is pure: the same samples give the same model.
//
// A zone is its air, which follows the outdoors, the sun and the equipment, and the mass
// of its walls, which lags behind the air:
//
//	d air/dt  = Outdoors·(outdoors−air) + Mass·(mass−air) + Sun·sun + Gain + Cooling·cools + Heating·heats
//	d mass/dt = (air−mass)/Lag
//
// For a given lag the rest is linear, and is fitted by least squares; of a few lags, the
// one that explains the most is used. A model is judged by how much of the equipment's
// run time it explains, which is what it is used for. A model that explains too little is
// refused.
package thermal
